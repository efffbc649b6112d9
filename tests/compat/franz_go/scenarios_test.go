// franz-go, unchanged, through what its documentation says it does. BOOTSTRAP names the broker.
package scenarios

import (
	"context"
	"fmt"
	"os"
	"sort"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const limit = 30 * time.Second

func connect(t *testing.T, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(os.Getenv("BOOTSTRAP")))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits until check passes: Apache Kafka answers a change before all know of it.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	end := time.Now().Add(limit)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func newTopic(t *testing.T, partitions int32) string {
	t.Helper()
	name := fmt.Sprintf("franz-%s-%d", t.Name(), time.Now().UnixNano())
	admin := kadm.NewClient(connect(t))
	if _, err := admin.CreateTopic(deadline(t), partitions, 1, nil, name); err != nil {
		t.Fatal(err)
	}
	return name
}

func produce(t *testing.T, topic string, count int, options ...kgo.Opt) {
	t.Helper()
	client := connect(t, options...)
	for n := range count {
		record := &kgo.Record{Topic: topic, Key: []byte("k"), Value: fmt.Appendf(nil, "v%d", n)}
		client.Produce(deadline(t), record, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := client.Flush(deadline(t)); err != nil {
		t.Fatal(err)
	}
}

func consume(t *testing.T, count int, options ...kgo.Opt) []string {
	t.Helper()
	client := connect(t, options...)
	defer client.Close() // Leaves the group here, not when the test ends.
	var values []string
	for len(values) < count {
		fetches := client.PollFetches(deadline(t))
		if err := fetches.Err(); err != nil {
			t.Fatalf("%d of %d: %v", len(values), count, err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			values = append(values, string(record.Value))
		})
	}
	if group, _ := client.GroupMetadata(); group != "" {
		if err := client.CommitUncommittedOffsets(deadline(t)); err != nil {
			t.Fatal(err)
		}
	}
	return values
}

func expectInOrder(t *testing.T, values []string, first int) {
	t.Helper()
	for n, value := range values {
		if value != fmt.Sprintf("v%d", first+n) {
			t.Fatalf("record %d is %s", n, value)
		}
	}
}

func TestReadsBackWithEveryCodec(t *testing.T) {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	for name, codec := range codecs {
		topic := newTopic(t, 1)
		produce(t, topic, 500, kgo.ProducerBatchCompression(codec))
		values := consume(t, 500, kgo.ConsumeTopics(topic),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		if len(values) != 500 {
			t.Fatalf("%s: %d records", name, len(values))
		}
		expectInOrder(t, values, 0)
	}
}

func TestGroupGoesOnWhereItCommitted(t *testing.T) {
	topic := newTopic(t, 1)
	options := []kgo.Opt{kgo.ConsumeTopics(topic), kgo.ConsumerGroup(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit()}
	produce(t, topic, 10)
	expectInOrder(t, consume(t, 10, options...), 0)
	produce(t, topic, 3)
	if values := consume(t, 3, options...); len(values) != 3 || values[0] != "v0" {
		t.Fatalf("went on with %v", values)
	}
}

func TestCooperativeMembersShareThePartitions(t *testing.T) {
	topic := newTopic(t, 4)
	shares := make([]chan map[int32]bool, 2)
	for index := range shares {
		updates := make(chan map[int32]bool, 100)
		shares[index] = updates
		owned := map[int32]bool{}
		note := func(change map[string][]int32, has bool) {
			for _, partition := range change[topic] {
				if has {
					owned[partition] = true
				} else {
					delete(owned, partition)
				}
			}
			copied := map[int32]bool{}
			for partition := range owned {
				copied[partition] = true
			}
			updates <- copied
		}
		client := connect(t, kgo.ConsumeTopics(topic), kgo.ConsumerGroup(topic),
			kgo.Balancers(kgo.CooperativeStickyBalancer()),
			kgo.HeartbeatInterval(200*time.Millisecond),
			kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, change map[string][]int32) {
				note(change, true)
			}),
			kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, change map[string][]int32) {
				note(change, false)
			}))
		ctx, cancel := context.WithCancel(context.Background())
		t.Cleanup(cancel)
		go func() {
			for ctx.Err() == nil {
				client.PollFetches(ctx)
			}
		}()
	}
	last := []map[int32]bool{{}, {}}
	ctx := deadline(t)
	for len(last[0]) != 2 || len(last[1]) != 2 {
		select {
		case last[0] = <-shares[0]:
		case last[1] = <-shares[1]:
		case <-ctx.Done():
			t.Fatalf("shared as %v and %v", last[0], last[1])
		}
	}
	var all []int
	for _, owned := range last {
		for partition := range owned {
			all = append(all, int(partition))
		}
	}
	sort.Ints(all)
	if fmt.Sprint(all) != "[0 1 2 3]" {
		t.Fatalf("shared %v", all)
	}
}

func TestAdministersTopics(t *testing.T) {
	topic := newTopic(t, 2)
	admin := kadm.NewClient(connect(t))
	if _, err := admin.CreatePartitions(deadline(t), 3, topic); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		details, err := admin.ListTopics(deadline(t), topic)
		if err == nil && len(details[topic].Partitions) != 5 {
			err = fmt.Errorf("not five partitions: %v", details)
		}
		return err
	})
	change := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: kadm.StringPtr("60000")}}
	altered, err := admin.AlterTopicConfigs(deadline(t), change, topic)
	if err != nil || altered[0].Err != nil {
		t.Fatalf("%v: %v", altered, err)
	}
	eventually(t, func() error {
		configs, err := admin.DescribeTopicConfigs(deadline(t), topic)
		if err != nil {
			return err
		}
		for _, config := range configs[0].Configs {
			if config.Key == "retention.ms" && config.MaybeValue() == "60000" {
				return nil
			}
		}
		return fmt.Errorf("retention.ms was not set: %v", configs[0].Configs)
	})
	if _, err := admin.DeleteTopic(deadline(t), topic); err != nil {
		t.Fatal(err)
	}
}

func TestLooksUpAndDeletesRecords(t *testing.T) {
	topic := newTopic(t, 1)
	produce(t, topic, 10)
	admin := kadm.NewClient(connect(t))
	wanted := kadm.Offsets{}
	wanted.Add(kadm.Offset{Topic: topic, Partition: 0, At: 4, LeaderEpoch: -1})
	if _, err := admin.DeleteRecords(deadline(t), wanted); err != nil {
		t.Fatal(err)
	}
	start, err := admin.ListStartOffsets(deadline(t), topic)
	if err != nil {
		t.Fatal(err)
	}
	end, err := admin.ListEndOffsets(deadline(t), topic)
	if err != nil {
		t.Fatal(err)
	}
	if start[topic][0].Offset != 4 || end[topic][0].Offset != 10 {
		t.Fatalf("from %v to %v", start[topic][0], end[topic][0])
	}
}

func TestAdministersGroups(t *testing.T) {
	topic := newTopic(t, 1)
	produce(t, topic, 5)
	consume(t, 5, kgo.ConsumeTopics(topic), kgo.ConsumerGroup(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
	admin := kadm.NewClient(connect(t))
	lags, err := admin.Lag(deadline(t), topic)
	if err != nil || lags[topic].Lag.Total() != 0 {
		t.Fatalf("%v: %v", lags, err)
	}
	offsets, err := admin.FetchOffsets(deadline(t), topic)
	if err != nil {
		t.Fatal(err)
	}
	if at, ok := offsets.Lookup(topic, 0); !ok || at.At != 5 {
		t.Fatalf("committed %v", at)
	}
	if _, err := admin.DeleteGroup(deadline(t), topic); err != nil {
		t.Fatal(err)
	}
}

func TestTransactionIsSeenAsAWhole(t *testing.T) {
	topic := newTopic(t, 1)
	client := connect(t, kgo.TransactionalID(topic), kgo.RequestRetries(2),
		kgo.RetryTimeout(5*time.Second))
	for _, kept := range []bool{false, true} {
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		record := &kgo.Record{Topic: topic, Value: fmt.Appendf(nil, "kept %v", kept)}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
			cancel()
			t.Fatalf("transactional produce: %v", err)
		}
		cancel()
		if err := client.EndTransaction(deadline(t), kgo.TransactionEndTry(kept)); err != nil {
			t.Fatal(err)
		}
	}
	values := consume(t, 1, kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if values[0] != "kept true" {
		t.Fatalf("saw %v", values)
	}
}
