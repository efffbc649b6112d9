// kafkajs' schema registry client, unchanged, through what its documentation says it does.
// BOOTSTRAP names the broker, REGISTRY the registry's URL.

import assert from "node:assert/strict";
import { test } from "node:test";
import registryClient from "@kafkajs/confluent-schema-registry";
import kafkajs from "kafkajs";

const { COMPATIBILITY, SchemaRegistry, SchemaType } = registryClient;
const { Kafka, logLevel } = kafkajs;
const kafka = new Kafka({
  clientId: "sprawl-compat",
  brokers: [process.env.BOOTSTRAP],
  logLevel: logLevel.NOTHING,
});

const LIMIT_MS = 30_000;
const NOT_COMPATIBLE = 409;
const NOT_FOUND = 404;
const INVALID = 422;
let number = 0;

/** A client with nothing in its caches. */
const connect = (options) =>
  new SchemaRegistry({ host: process.env.REGISTRY, retry: { retries: 0 } }, options);

const newSubject = () => `kafkajs-${process.pid}-${++number}-value`;

const record = (name, ...fields) => ({
  type: SchemaType.AVRO,
  schema: JSON.stringify({ type: "record", namespace: "t", name, fields }),
});
const ID = { name: "id", type: "string" };
const NOTE = { name: "note", type: "string" };
const NOTE_OR_NOTHING = { ...NOTE, default: "" };

/** Puts a value into a topic, takes it out again and decodes it with a client of its own. */
async function through(subject, schema, value) {
  const topic = subject.replace(/-value$/, "");
  const writer = connect();
  const { id } = await writer.register(schema, { subject });
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic, messages: [{ value: await writer.encode(id, value) }] });
  await producer.disconnect();
  const consumer = kafka.consumer({ groupId: topic, maxWaitTimeInMs: 200 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  try {
    const bytes = await new Promise((resolve, reject) => {
      const limit = setTimeout(() => reject(new Error("nothing came")), LIMIT_MS);
      consumer
        .run({
          eachMessage: async ({ message }) => {
            clearTimeout(limit);
            resolve(message.value);
          },
        })
        .catch(reject);
    });
    assert.deepEqual([bytes.readUInt8(0), bytes.readInt32BE(1)], [0, id]);
    return await connect().decode(bytes);
  } finally {
    await consumer.disconnect();
  }
}

test("Avro data goes through", async () => {
  const found = await through(newSubject(), record("Order", ID), { id: "7" });
  assert.deepEqual({ ...found }, { id: "7" });
});

test("JSON data goes through, and a wrong value is refused", async () => {
  const subject = newSubject();
  const schema = {
    type: SchemaType.JSON,
    schema: JSON.stringify({
      type: "object",
      properties: { name: { type: "string" } },
      required: ["name"],
    }),
  };
  assert.deepEqual(await through(subject, schema, { name: "x" }), { name: "x" });
  const client = connect();
  const id = await client.getLatestSchemaId(subject);
  await assert.rejects(client.encode(id, { name: 7 }), {
    name: "ConfluentSchemaRegistryValidationError",
  });
});

test("Protobuf data goes through", async () => {
  const schema = {
    type: SchemaType.PROTOBUF,
    schema: 'syntax = "proto3";\npackage t;\n\nmessage Ride {\n  string to = 1;\n  int32 km = 2;\n}\n',
  };
  const found = await through(newSubject(), schema, { to: "there", km: 7 });
  assert.deepEqual({ ...found }, { to: "there", km: 7 });
});

test("registering sets the level of a new subject and keeps to it", async () => {
  const subject = newSubject();
  const schema = record("Order", ID);
  const { id } = await connect().register(schema, { subject, compatibility: COMPATIBILITY.FULL });
  const again = await connect().register(schema, { subject, compatibility: COMPATIBILITY.FULL });
  assert.equal(again.id, id);
  const config = await fetch(`${process.env.REGISTRY}/config/${subject}`);
  assert.deepEqual(await config.json(), { compatibilityLevel: "FULL" });
  await assert.rejects(
    connect().register(schema, { subject, compatibility: COMPATIBILITY.BACKWARD }),
    /Compatibility does not match the configuration \(BACKWARD != FULL\)/,
  );
});

test("an incompatible schema is refused with the reason", async () => {
  const subject = newSubject();
  await connect().register(record("Order", ID), { subject });
  await assert.rejects(connect().register(record("Order", ID, NOTE), { subject }), (error) => {
    assert.equal(error.status, NOT_COMPATIBLE);
    assert.match(error.message, /Schema being registered is incompatible with an earlier schema/);
    assert.match(error.message, /READER_FIELD_MISSING_DEFAULT_VALUE/);
    return true;
  });
  const { id } = await connect().register(record("Order", ID, NOTE_OR_NOTHING), { subject });
  assert.equal(await connect().getLatestSchemaId(subject), id);
});

test("a text that is no schema is refused", async () => {
  // Avro and JSON the client checks itself before it asks.
  const schema = {
    type: SchemaType.PROTOBUF,
    schema: 'syntax = "proto3";\n\nmessage Ride {\n  Nowhere to = 1;\n}\n',
  };
  await assert.rejects(connect().register(schema, { subject: newSubject() }), (error) => {
    assert.equal(error.status, INVALID);
    assert.match(error.message, /Nowhere/);
    return true;
  });
});

test("finds ids by subject and version, and by schema", async () => {
  const subject = newSubject();
  const [first, second] = [record("Order", ID), record("Order", ID, NOTE_OR_NOTHING)];
  const one = await connect().register(first, { subject });
  const two = await connect().register(second, { subject });
  const client = connect();
  assert.equal(await client.getRegistryId(subject, 1), one.id);
  assert.equal(await client.getRegistryId(subject, "latest"), two.id);
  assert.equal(await client.getLatestSchemaId(subject), two.id);
  assert.equal(await client.getRegistryIdBySchema(subject, first), one.id);
  await assert.rejects(
    client.getRegistryIdBySchema(subject, record("Other", ID)),
    { name: "ConfluentSchemaRegistryError", message: / - Schema not found$/ },
  );
  await assert.rejects(client.getRegistryId(newSubject(), 1), { status: NOT_FOUND });
  await assert.rejects(client.getSchema(2_000_000), { status: NOT_FOUND });
});

test("a reader's schema reads what an older one wrote", async () => {
  const subject = newSubject();
  const writer = connect();
  const { id } = await writer.register(record("Order", ID), { subject });
  const bytes = await writer.encode(id, { id: "7" });
  const readerSchema = JSON.parse(record("Order", ID, NOTE_OR_NOTHING).schema);
  const found = await connect().decode(bytes, { [SchemaType.AVRO]: { readerSchema } });
  assert.deepEqual({ ...found }, { id: "7", note: "" });
});

for (const [kind, inner, outer, name, value] of [
  [
    SchemaType.AVRO,
    JSON.stringify({ type: "record", namespace: "t", name: "Place", fields: [ID] }),
    JSON.stringify({
      type: "record",
      namespace: "t",
      name: "Trip",
      fields: [{ name: "to", type: "t.Place" }],
    }),
    "t.Place",
    { to: { id: "7" } },
  ],
  [
    SchemaType.JSON,
    JSON.stringify({ $id: "http://t/place.json", type: "object", properties: { id: { type: "string" } } }),
    JSON.stringify({
      $id: "http://t/trip.json",
      type: "object",
      properties: { to: { $ref: "http://t/place.json" } },
    }),
    "http://t/place.json",
    { to: { id: "7" } },
  ],
  [
    SchemaType.PROTOBUF,
    'syntax = "proto3";\npackage t;\n\nmessage Place {\n  string id = 1;\n}\n',
    'syntax = "proto3";\npackage t;\n\nimport "place.proto";\n\nmessage Trip {\n  Place to = 1;\n}\n',
    "place.proto",
    { to: { id: "7" } },
  ],
]) {
  test(`follows references of ${kind}`, async () => {
    const [place, trip] = [newSubject(), newSubject()];
    await connect().register({ type: kind, schema: inner }, { subject: place });
    const { id } = await connect().register(
      { type: kind, schema: outer, references: [{ name, subject: place, version: 1 }] },
      { subject: trip },
    );
    const bytes = await connect().encode(id, value);
    assert.deepEqual(JSON.parse(JSON.stringify(await connect().decode(bytes))), value);
  });
}
