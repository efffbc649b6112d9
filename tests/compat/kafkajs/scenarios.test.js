// kafkajs, unchanged, through what its documentation says it does. BOOTSTRAP names the broker.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import kafkajs from "kafkajs";

const { CompressionTypes, ConfigResourceTypes, Kafka, logLevel } = kafkajs;
const kafka = new Kafka({
  clientId: "sprawl-compat",
  brokers: [process.env.BOOTSTRAP],
  logLevel: logLevel.NOTHING,
});
const admin = kafka.admin();
await admin.connect();
after(() => admin.disconnect());

const LIMIT_MS = 30_000;
let number = 0;

/** Waits until `told` gives `wanted`: Apache Kafka answers a change before all know of it. */
async function eventually(told, wanted) {
  const limit = Date.now() + LIMIT_MS;
  for (;;) {
    const found = await told();
    if (found === wanted || Date.now() > limit) {
      assert.equal(found, wanted);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A topic that no other test uses. */
async function newTopic(partitions = 1) {
  const topic = `kafkajs-${process.pid}-${++number}`;
  assert.equal(
    await admin.createTopics({
      topics: [{ topic, numPartitions: partitions, replicationFactor: 1 }],
      waitForLeaders: true,
    }),
    true,
  );
  return topic;
}

/** Writes messages and leaves. Returns what the producer was told. */
async function produce(topic, messages, options = {}, settings = {}) {
  const producer = kafka.producer(settings);
  await producer.connect();
  try {
    return await producer.send({ topic, messages, ...options });
  } finally {
    await producer.disconnect();
  }
}

/** Runs a consumer until `count` messages have come; `each` sees them and the consumer. */
async function consume(topic, groupId, count, each = () => {}) {
  const consumer = kafka.consumer({ groupId });
  await consumer.connect();
  const seen = [];
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    await new Promise((resolve, reject) => {
      const limit = setTimeout(() => reject(new Error(`${seen.length} of ${count}`)), LIMIT_MS);
      consumer
        .run({
          eachMessage: async (payload) => {
            seen.push(payload);
            await each(payload, consumer);
            if (seen.length === count) {
              clearTimeout(limit);
              resolve();
            }
          },
        })
        .catch(reject);
    });
  } finally {
    await consumer.disconnect();
  }
  return seen;
}

const values = (payloads) => payloads.map(({ message }) => message.value.toString());

test("reads back keys, values and headers in order", async () => {
  const topic = await newTopic();
  const messages = Array.from({ length: 100 }, (_, n) => ({
    key: `k${n}`,
    value: `v${n}`,
    headers: { trace: `h${n}` },
  }));
  const [told] = await produce(topic, messages, { acks: -1 });
  assert.deepEqual([told.errorCode, told.baseOffset], [0, "0"]);
  const seen = await consume(topic, `${topic}-group`, 100);
  assert.deepEqual(values(seen), messages.map(({ value }) => value));
  assert.equal(seen[7].message.key.toString(), "k7");
  assert.equal(seen[7].message.headers.trace.toString(), "h7");
});

test("compresses with gzip", async () => {
  const topic = await newTopic();
  await produce(topic, [{ value: "x".repeat(5000) }], { compression: CompressionTypes.GZIP });
  assert.deepEqual(values(await consume(topic, `${topic}-group`, 1)), ["x".repeat(5000)]);
});

test("an idempotent producer writes each message once", async () => {
  const topic = await newTopic();
  const settings = { idempotent: true, maxInFlightRequests: 1 };
  await produce(topic, [{ value: "a" }, { value: "b" }], {}, settings);
  assert.deepEqual(values(await consume(topic, `${topic}-group`, 2)), ["a", "b"]);
});

test("a group goes on where it committed", async () => {
  const topic = await newTopic();
  const group = `${topic}-group`;
  await produce(topic, [{ value: "1" }, { value: "2" }, { value: "3" }]);
  await consume(topic, group, 3);
  await produce(topic, [{ value: "4" }]);
  assert.deepEqual(values(await consume(topic, group, 1)), ["4"]);
});

test("two members of a group share the partitions", async () => {
  const topic = await newTopic(4);
  const members = [0, 1].map(() => kafka.consumer({ groupId: `${topic}-group` }));
  const parts = [new Set(), new Set()];
  const limit = Date.now() + LIMIT_MS;
  try {
    for (const [index, member] of members.entries()) {
      await member.connect();
      await member.subscribe({ topic, fromBeginning: true });
      member.on(member.events.GROUP_JOIN, ({ payload }) => {
        parts[index] = new Set(payload.memberAssignment[topic] ?? []);
      });
      await member.run({ eachMessage: async () => {} });
    }
    while (parts[0].size !== 2 || parts[1].size !== 2) {
      assert.ok(Date.now() < limit, `shared as ${parts[0].size} and ${parts[1].size}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  } finally {
    await Promise.all(members.map((member) => member.disconnect()));
  }
  assert.deepEqual([...parts[0], ...parts[1]].sort(), [0, 1, 2, 3]);
});

test("seeks", async () => {
  const topic = await newTopic();
  await produce(topic, ["a", "b", "c"].map((value) => ({ value })));
  let sought = false;
  const seen = await consume(topic, `${topic}-group`, 5, async ({ message }, consumer) => {
    if (message.offset === "2" && !sought) {
      sought = true;
      consumer.seek({ topic, partition: 0, offset: "1" });
    }
  });
  assert.deepEqual(values(seen), ["a", "b", "c", "b", "c"]);
});

test("describes, configures and deletes topics", async () => {
  const topic = await newTopic(3);
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
  assert.equal(topics[0].partitions.length, 3);
  const resource = { type: ConfigResourceTypes.TOPIC, name: topic };
  const change = [{ name: "retention.ms", value: "60000" }];
  await admin.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries: change }] });
  const describe = { includeSynonyms: false, resources: [{ ...resource, configNames: ["retention.ms"] }] };
  await eventually(
    async () => (await admin.describeConfigs(describe)).resources[0].configEntries[0].configValue,
    "60000",
  );
  await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] });
  const counted = () => admin.fetchTopicMetadata({ topics: [topic] });
  await eventually(async () => (await counted()).topics[0].partitions.length, 5);
  await admin.deleteTopics({ topics: [topic] });
  await eventually(async () => (await admin.listTopics()).includes(topic), false);
});

test("looks up and deletes offsets and records", async () => {
  const topic = await newTopic();
  const times = [1_000, 2_000, 3_000];
  await produce(topic, times.map((time) => ({ value: `${time}`, timestamp: `${time}` })));
  const [found] = await admin.fetchTopicOffsetsByTimestamp(topic, 1_500);
  assert.equal(found.offset, "1");
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: "2" }] });
  const [left] = await admin.fetchTopicOffsets(topic);
  assert.deepEqual([left.low, left.high], ["2", "3"]);
});

test("administers groups", async () => {
  const topic = await newTopic();
  const groupId = `${topic}-group`;
  await produce(topic, [{ value: "1" }, { value: "2" }]);
  await consume(topic, groupId, 2);
  assert.ok((await admin.listGroups()).groups.some((group) => group.groupId === groupId));
  const { groups } = await admin.describeGroups([groupId]);
  assert.deepEqual([groups[0].state, groups[0].errorCode], ["Empty", 0]);
  await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: "1" }] });
  const [committed] = await admin.fetchOffsets({ groupId, topics: [topic] });
  assert.equal(committed.partitions[0].offset, "1");
  assert.equal((await admin.deleteGroups([groupId]))[0].errorCode, 0);
});

test("describes the cluster", async () => {
  const { brokers, controller, clusterId } = await admin.describeCluster();
  assert.deepEqual([brokers.length, controller], [1, brokers[0].nodeId]);
  assert.ok(clusterId.length > 0);
});

test("a transaction is seen as a whole", async () => {
  const topic = await newTopic();
  const producer = kafka.producer({
    transactionalId: `${topic}-id`,
    maxInFlightRequests: 1,
    idempotent: true,
    retry: { retries: 1 },
  });
  await producer.connect();
  try {
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: [{ value: "never" }] });
    await transaction.abort();
    const second = await producer.transaction();
    await second.send({ topic, messages: [{ value: "kept" }] });
    await second.commit();
  } finally {
    await producer.disconnect();
  }
  assert.deepEqual(values(await consume(topic, `${topic}-group`, 1)), ["kept"]);
});
