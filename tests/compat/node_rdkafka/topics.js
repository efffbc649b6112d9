// Makes the topics that the suite takes for granted: one partition each. BOOTSTRAP names the broker.

const { AdminClient, CODES } = require("node-rdkafka");

const client = AdminClient.create({ "metadata.broker.list": process.env.BOOTSTRAP });
const wanted = process.argv.slice(2);
let left = wanted.length;
for (const topic of wanted) {
  client.createTopic({ topic, num_partitions: 1, replication_factor: 1 }, (error) => {
    if (error && error.code !== CODES.ERRORS.ERR_TOPIC_ALREADY_EXISTS) {
      throw error;
    }
    left -= 1;
    if (left === 0) {
      client.disconnect();
    }
  });
}
