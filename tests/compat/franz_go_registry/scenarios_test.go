// franz-go's schema registry client, unchanged, through what its documentation says it does.
// REGISTRY names the registry's URL. Tests that change what holds for all subjects take it back.
package scenarios

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
)

const limit = 60 * time.Second

const (
	place      = `{"type":"record","name":"Place","namespace":"t","fields":[{"name":"id","type":"string"}]}`
	placeNote  = `{"type":"record","name":"Place","namespace":"t","fields":[{"name":"id","type":"string"},{"name":"note","type":"string"}]}`
	placeMaybe = `{"type":"record","name":"Place","namespace":"t","fields":[{"name":"id","type":"string"},{"name":"note","type":"string","default":""}]}`
	trip       = `{"type":"record","name":"Trip","namespace":"t","fields":[{"name":"to","type":"Place"}]}`
)

func connect(t *testing.T, params ...sr.Param) *sr.Client {
	t.Helper()
	return connectWith(t, sr.DefaultParams(params...))
}

// connectWith gives a client more time than its own 5 s: machines that run tests may be busy.
func connectWith(t *testing.T, option sr.ClientOpt) *sr.Client {
	t.Helper()
	patient := sr.HTTPClient(&http.Client{Timeout: limit})
	client, err := sr.NewClient(sr.URLs(os.Getenv("REGISTRY")), patient, option)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

// newSubject has a slash, which has to come through a path.
func newSubject(t *testing.T) string {
	return fmt.Sprintf("franz/%s-%d", t.Name(), time.Now().UnixNano())
}

func avro(text string) sr.Schema { return sr.Schema{Schema: text} }

func create(t *testing.T, subject string, schema sr.Schema) sr.SubjectSchema {
	t.Helper()
	made, err := connect(t).CreateSchema(deadline(t), subject, schema)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func good(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal(t *testing.T, found, wanted any) {
	t.Helper()
	if !reflect.DeepEqual(found, wanted) {
		t.Fatalf("%v, not %v", found, wanted)
	}
}

// refused expects an error that the client knows by its code.
func refused(t *testing.T, err error, wanted *sr.Error) {
	t.Helper()
	var response *sr.ResponseError
	if !errors.As(err, &response) {
		t.Fatalf("%v, not %v", err, wanted)
	}
	if response.SchemaError() != wanted || response.StatusCode != firstDigits(wanted.Code) {
		t.Fatalf("%d with %d %s, not %v", response.StatusCode, response.ErrorCode, response.Message, wanted)
	}
}

func firstDigits(code int) int {
	for code >= 1000 {
		code /= 10
	}
	return code
}

func TestServesTheThreeTypes(t *testing.T) {
	types, err := connect(t).SupportedTypes(deadline(t))
	good(t, err)
	equal(t, types, []sr.SchemaType{sr.TypeAvro, sr.TypeProtobuf, sr.TypeJSON})
}

func TestCreatesAndFinds(t *testing.T) {
	client, ctx, subject := connect(t), deadline(t), newSubject(t)
	first := create(t, subject, avro(place))
	equal(t, []any{first.Subject, first.Version, first.Schema.Schema}, []any{subject, 1, place})
	equal(t, create(t, subject, avro(place)), first)
	second := create(t, subject, avro(placeMaybe))
	equal(t, second.Version, 2)

	found, err := client.LookupSchema(ctx, subject, avro(place))
	good(t, err)
	equal(t, found, first)
	found, err = client.SchemaByVersion(ctx, subject, -1)
	good(t, err)
	equal(t, found, second)
	all, err := client.Schemas(ctx, subject)
	good(t, err)
	equal(t, all, []sr.SubjectSchema{first, second})
	versions, err := client.SubjectVersions(ctx, subject)
	good(t, err)
	equal(t, versions, []int{1, 2})

	byID, err := client.SchemaByID(ctx, second.ID)
	good(t, err)
	equal(t, byID.Schema, placeMaybe)
	text, err := client.SchemaTextByID(ctx, second.ID)
	good(t, err)
	equal(t, text, placeMaybe)
	text, err = client.SchemaTextByVersion(ctx, subject, 1)
	good(t, err)
	equal(t, text, place)
	if first.GUID == "" {
		t.Fatal("no GUID")
	}
	byGUID, err := client.SchemaByGUID(ctx, first.GUID)
	good(t, err)
	equal(t, byGUID.Schema.Schema, place)
	ids, err := client.SchemaIDsByGUID(ctx, first.GUID)
	good(t, err)
	if !slices.Contains(ids, sr.ContextID{Context: ".", ID: first.ID}) {
		t.Fatalf("%v has no %d", ids, first.ID)
	}

	for _, attempt := range []struct {
		err    error
		wanted *sr.Error
	}{
		{errorOf(client.LookupSchema(ctx, subject, avro(placeNote))), sr.ErrSchemaNotFound},
		{errorOf(client.LookupSchema(ctx, newSubject(t), avro(place))), sr.ErrSubjectNotFound},
		{errorOf(client.SchemaByVersion(ctx, subject, 3)), sr.ErrVersionNotFound},
		{errorOf(client.SchemaByVersion(ctx, subject, 0)), sr.ErrInvalidVersion},
		{errorOf(client.SchemaByID(ctx, 2_000_000)), sr.ErrSchemaNotFound},
		{errorOf(client.CreateSchema(ctx, subject, avro(`{"type":"nowhere"}`))), sr.ErrInvalidSchema},
	} {
		refused(t, attempt.err, attempt.wanted)
	}
}

func errorOf[T any](_ T, err error) error { return err }

func TestAnIDIsTheSameInAllSubjects(t *testing.T) {
	client, ctx := connect(t), deadline(t)
	one, other := newSubject(t), newSubject(t)
	id := create(t, one, avro(place)).ID
	equal(t, create(t, other, avro(place)).ID, id)
	subjects, err := client.SubjectsByID(ctx, id)
	good(t, err)
	versions, err := client.SchemaVersionsByID(ctx, id)
	good(t, err)
	for _, subject := range []string{one, other} {
		if !slices.Contains(subjects, subject) || !slices.Contains(versions, sr.SubjectVersion{Subject: subject, Version: 1}) {
			t.Fatalf("%s is not in %v and %v", subject, subjects, versions)
		}
	}
}

func TestListsByPrefix(t *testing.T) {
	ctx, prefix := deadline(t), newSubject(t)
	for n := range 3 {
		create(t, fmt.Sprintf("%s-%d", prefix, n), avro(place))
		create(t, fmt.Sprintf("%s-%d", prefix, n), avro(placeMaybe))
	}
	names := []string{prefix + "-0", prefix + "-1", prefix + "-2"}
	subjects, err := connect(t, sr.SubjectPrefix(prefix)).Subjects(ctx)
	good(t, err)
	equal(t, subjects, names)
	subjects, err = connect(t, sr.SubjectPrefix(prefix), sr.Offset(1), sr.Limit(1)).Subjects(ctx)
	good(t, err)
	equal(t, subjects, names[1:2])
	all, err := connect(t, sr.SubjectPrefix(prefix)).AllSchemas(ctx)
	good(t, err)
	equal(t, len(all), 6)
	latest, err := connect(t, sr.SubjectPrefix(prefix), sr.LatestOnly).AllSchemas(ctx)
	good(t, err)
	equal(t, len(latest), 3)
	for _, each := range latest {
		equal(t, each.Version, 2)
	}
}

func TestChecksCompatibilityAndSaysWhy(t *testing.T) {
	client, ctx, subject := connect(t, sr.Verbose), deadline(t), newSubject(t)
	create(t, subject, avro(place))
	for _, version := range []int{1, -1, -2} {
		result, err := client.CheckCompatibility(ctx, subject, version, avro(placeMaybe))
		good(t, err)
		equal(t, []any{result.Is, len(result.Messages)}, []any{true, 0})
		result, err = client.CheckCompatibility(ctx, subject, version, avro(placeNote))
		good(t, err)
		said := strings.Join(result.Messages, "\n")
		if result.Is || !strings.Contains(said, "READER_FIELD_MISSING_DEFAULT_VALUE") || !strings.Contains(said, "note") {
			t.Fatalf("%v: %s", result.Is, said)
		}
	}
	_, err := client.CheckCompatibility(ctx, subject, 2, avro(place))
	refused(t, err, sr.ErrVersionNotFound)
	_, err = client.CreateSchema(ctx, subject, avro(placeNote))
	refused(t, err, sr.ErrIncompatibleSchema)
	var response *sr.ResponseError
	if !errors.As(err, &response) {
		t.Fatal(err)
	}
	equal(t, []int{response.StatusCode, response.ErrorCode}, []int{409, 409})
	if !strings.Contains(response.Message, "READER_FIELD_MISSING_DEFAULT_VALUE") {
		t.Fatal(response.Message)
	}
}

func TestSetsAndResetsCompatibility(t *testing.T) {
	client, ctx, subject := connect(t), deadline(t), newSubject(t)
	create(t, subject, avro(place))
	refused(t, client.Compatibility(ctx, subject)[0].Err, sr.ErrSubjectLevelCompatibilityNotConfigured)
	set := client.SetCompatibility(ctx, sr.SetCompatibility{
		Level:           sr.CompatForwardTransitive,
		Normalize:       true,
		Group:           "major",
		DefaultMetadata: &sr.SchemaMetadata{Properties: map[string]string{"owner": "ann"}},
	}, subject)[0]
	good(t, set.Err)
	found := client.Compatibility(ctx, subject)[0]
	good(t, found.Err)
	equal(t, found, set)
	equal(t, []any{found.Level, found.Normalize, found.Group, found.DefaultMetadata.Properties["owner"]},
		[]any{sr.CompatForwardTransitive, true, "major", "ann"})
	reset := client.ResetCompatibility(ctx, subject)[0]
	good(t, reset.Err)
	results := connect(t, sr.DefaultToGlobal).Compatibility(ctx, subject, sr.GlobalSubject)
	for _, result := range results {
		good(t, result.Err)
		equal(t, result.Level, sr.CompatBackward)
	}
	good(t, client.SetCompatibility(ctx, sr.SetCompatibility{Level: sr.CompatNone})[0].Err)
	equal(t, client.Compatibility(ctx)[0].Level, sr.CompatNone)
	good(t, client.ResetCompatibility(ctx)[0].Err)
	equal(t, client.Compatibility(ctx)[0].Level, sr.CompatBackward)
}

func TestModes(t *testing.T) {
	client, ctx, subject := connect(t), deadline(t), newSubject(t)
	equal(t, client.Mode(ctx)[0].Mode, sr.ModeReadWrite)
	refused(t, client.Mode(ctx, subject)[0].Err, sr.ErrSubjectLevelModeNotConfigured)
	equal(t, connect(t, sr.DefaultToGlobal).Mode(ctx, subject)[0].Mode, sr.ModeReadWrite)

	set := client.SetMode(ctx, sr.ModeImport, subject)[0]
	good(t, set.Err)
	equal(t, client.Mode(ctx, subject)[0].Mode, sr.ModeImport)
	imported, err := client.CreateSchemaWithIDAndVersion(ctx, subject, avro(placeNote), 700_000, 7)
	good(t, err)
	equal(t, []any{imported.ID, imported.Version}, []any{700_000, 7})

	good(t, client.SetMode(ctx, sr.ModeReadOnly, subject)[0].Err)
	_, err = client.CreateSchema(ctx, subject, avro(`"string"`))
	refused(t, err, sr.ErrOperationNotPermitted)
	refused(t, client.DeleteSchema(ctx, subject, 7, sr.SoftDelete), sr.ErrOperationNotPermitted)
	reset := client.ResetMode(ctx, subject)[0]
	good(t, reset.Err)
	equal(t, reset.Mode, sr.ModeReadOnly)
	refused(t, client.SetMode(ctx, sr.ModeImport, subject)[0].Err, sr.ErrOperationNotPermitted)
	good(t, connect(t, sr.Force).SetMode(ctx, sr.ModeImport, subject)[0].Err)
	good(t, client.ResetMode(ctx, subject)[0].Err)
}

func TestReferencesHoldWhatTheyReferTo(t *testing.T) {
	client, ctx := connect(t), deadline(t)
	inner, outer := newSubject(t), newSubject(t)
	create(t, inner, avro(place))
	refers := sr.Schema{Schema: trip, References: []sr.SchemaReference{{Name: "t.Place", Subject: inner, Version: 1}}}
	made := create(t, outer, refers)
	equal(t, made.References, refers.References)
	found, err := client.SchemaReferences(ctx, inner, 1)
	good(t, err)
	equal(t, found, []sr.SubjectSchema{made})
	refused(t, client.DeleteSchema(ctx, inner, 1, sr.SoftDelete), sr.ErrReferenceExists)
	_, err = client.DeleteSubject(ctx, inner, sr.SoftDelete)
	refused(t, err, sr.ErrReferenceExists)
	_, err = client.DeleteSubject(ctx, outer, sr.SoftDelete)
	good(t, err)
	good(t, client.DeleteSchema(ctx, inner, 1, sr.SoftDelete))
	refused(t, client.DeleteSchema(ctx, inner, 1, sr.HardDelete), sr.ErrReferenceExists)
	_, err = client.DeleteSubject(ctx, outer, sr.HardDelete)
	good(t, err)
	good(t, client.DeleteSchema(ctx, inner, 1, sr.HardDelete))

	refers.References[0].Subject = newSubject(t)
	_, err = client.CreateSchema(ctx, outer, refers)
	refused(t, err, sr.ErrInvalidSchema)
}

func TestReferencesOfProtobufAndJSON(t *testing.T) {
	for _, each := range []struct{ inner, outer sr.Schema }{
		{
			sr.Schema{Type: sr.TypeProtobuf, Schema: "syntax = \"proto3\";\npackage t;\n\nmessage Place {\n  string id = 1;\n}\n"},
			sr.Schema{
				Type:       sr.TypeProtobuf,
				Schema:     "syntax = \"proto3\";\npackage t;\n\nimport \"place.proto\";\n\nmessage Trip {\n  Place to = 1;\n}\n",
				References: []sr.SchemaReference{{Name: "place.proto"}},
			},
		},
		{
			sr.Schema{Type: sr.TypeJSON, Schema: `{"type":"object"}`},
			sr.Schema{
				Type:       sr.TypeJSON,
				Schema:     `{"type":"array","items":{"$ref":"place.json"}}`,
				References: []sr.SchemaReference{{Name: "place.json"}},
			},
		},
	} {
		inner := create(t, newSubject(t), each.inner)
		equal(t, inner.Schema, each.inner)
		each.outer.References[0].Subject, each.outer.References[0].Version = inner.Subject, 1
		outer := create(t, newSubject(t), each.outer)
		equal(t, outer.Schema, each.outer)
		found, err := connect(t).SchemaReferences(deadline(t), inner.Subject, -1)
		good(t, err)
		equal(t, found, []sr.SubjectSchema{outer})
	}
}

func TestDeletesSoftlyAndForGood(t *testing.T) {
	client, ctx, subject := connect(t), deadline(t), newSubject(t)
	withDeleted := connect(t, sr.ShowDeleted)
	first := create(t, subject, avro(place))
	create(t, subject, avro(placeMaybe))

	refused(t, client.DeleteSchema(ctx, subject, 1, sr.HardDelete), sr.ErrSchemaVersionNotSoftDeleted)
	good(t, client.DeleteSchema(ctx, subject, 1, sr.SoftDelete))
	refused(t, client.DeleteSchema(ctx, subject, 1, sr.SoftDelete), sr.ErrSchemaVersionSoftDeleted)
	refused(t, errorOf(client.SchemaByVersion(ctx, subject, 1)), sr.ErrVersionNotFound)
	kept, err := withDeleted.SchemaByVersion(ctx, subject, 1)
	good(t, err)
	equal(t, kept.Schema.Schema, place)
	byID, err := client.SchemaByID(ctx, first.ID)
	good(t, err)
	equal(t, byID.Schema, place)
	for params, wanted := range map[*sr.Client][]int{
		client: {2}, withDeleted: {1, 2}, connect(t, sr.DeletedOnly): {1},
	} {
		versions, err := params.SubjectVersions(ctx, subject)
		good(t, err)
		equal(t, versions, wanted)
	}
	good(t, client.DeleteSchema(ctx, subject, 1, sr.HardDelete))
	refused(t, errorOf(withDeleted.SchemaByVersion(ctx, subject, 1)), sr.ErrVersionNotFound)

	_, err = client.DeleteSubject(ctx, subject, sr.HardDelete)
	refused(t, err, sr.ErrSubjectNotSoftDeleted)
	versions, err := client.DeleteSubject(ctx, subject, sr.SoftDelete)
	good(t, err)
	equal(t, versions, []int{2})
	_, err = client.DeleteSubject(ctx, subject, sr.SoftDelete)
	refused(t, err, sr.ErrSubjectSoftDeleted)
	equal(t, create(t, subject, avro(place)).Version, 3)
	_, err = client.DeleteSubject(ctx, subject, sr.SoftDelete)
	good(t, err)
	versions, err = client.DeleteSubject(ctx, subject, sr.HardDelete)
	good(t, err)
	equal(t, versions, []int{2, 3})
	_, err = withDeleted.SubjectVersions(ctx, subject)
	refused(t, err, sr.ErrSubjectNotFound)
}

func TestContracts(t *testing.T) {
	ctx, subject := deadline(t), newSubject(t)
	schema := avro(place)
	schema.SchemaMetadata = &sr.SchemaMetadata{
		Tags:       map[string][]string{"t.Place.id": {"PII"}},
		Properties: map[string]string{"owner": "ann"},
		Sensitive:  []string{"owner"},
	}
	schema.SchemaRuleSet = &sr.SchemaRuleSet{DomainRules: []sr.SchemaRule{{
		Name: "short", Kind: sr.SchemaRuleKindCondition, Mode: sr.SchemaRuleModeWrite, Type: "CEL",
		Tags: []string{"PII"}, Params: map[string]string{"a": "b"}, Expr: "size(message.id) < 8", OnFailure: "ERROR",
	}}}
	made := create(t, subject, schema)
	equal(t, made.SchemaMetadata, schema.SchemaMetadata)
	equal(t, made.SchemaRuleSet, schema.SchemaRuleSet)
	plain := create(t, newSubject(t), avro(place))
	if plain.ID == made.ID {
		t.Fatal("another contract has the same id")
	}
	found, err := connect(t).SchemaByID(ctx, made.ID)
	good(t, err)
	equal(t, found, made.Schema)
}

func TestNormalizes(t *testing.T) {
	ctx, subject := deadline(t), newSubject(t)
	made := create(t, subject, avro(place))
	spelled := avro(`{"fields":[{"type":{"type":"string"},"name":"id"}],"name":"t.Place","type":"record"}`)
	found, err := connect(t, sr.Normalize).LookupSchema(ctx, subject, spelled)
	good(t, err)
	equal(t, found, made)
}

func TestContexts(t *testing.T) {
	ctx := deadline(t)
	name := fmt.Sprintf(".franz%d", time.Now().UnixNano())
	client := connectWith(t, sr.DefaultSchemaContext(name))
	made, err := client.CreateSchema(ctx, "s", avro(place))
	good(t, err)
	equal(t, []any{made.Subject, made.ID, made.Version}, []any{":" + name + ":s", 1, 1})
	subjects, err := client.Subjects(ctx)
	good(t, err)
	equal(t, subjects, []string{":" + name + ":s"})
	contexts, err := connect(t).Contexts(ctx)
	good(t, err)
	if !slices.Contains(contexts, name) {
		t.Fatalf("%v has no %s", contexts, name)
	}
	if err := connect(t).DeleteContext(ctx, name); err == nil {
		t.Fatal("a context with a subject was deleted")
	}
	for _, how := range []sr.DeleteHow{sr.SoftDelete, sr.HardDelete} {
		_, err = client.DeleteSubject(ctx, "s", how)
		good(t, err)
	}
	good(t, connect(t).DeleteContext(ctx, name))
	contexts, err = connect(t).Contexts(ctx)
	good(t, err)
	if slices.Contains(contexts, name) {
		t.Fatalf("%s is still in %v", name, contexts)
	}
}
