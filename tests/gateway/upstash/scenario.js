// What @upstash/redis does, unmodified, given URL and token. Prints what came back as one object of JSON.
const { Redis } = require("@upstash/redis");

async function failing(call) {
  try {
    await call();
    return null;
  } catch (error) {
    return { name: error.name, message: error.message };
  }
}

async function main() {
  const [url, token] = process.argv.slice(2);
  const redis = new Redis({ url, token, enableTelemetry: false });
  const found = {};
  found.set = await redis.set("js:text", "Zürich ☃ OK");
  found.get = await redis.get("js:text");
  await redis.set("js:ok", "OK");
  found.ok = await redis.get("js:ok");
  await redis.set("js:object", { a: [1, 2.5, null], b: "x" }, { ex: 100 });
  found.object = await redis.get("js:object");
  found.nothing = await redis.get("js:none");
  found.together = await Promise.all([redis.incr("js:n"), redis.incr("js:n"), redis.get("js:n")]);
  await redis.hset("js:hash", { f: 1, g: "two" });
  found.hash = await redis.hgetall("js:hash");
  await redis.zadd("js:z", { score: 1.5, member: "a" }, { score: 2, member: "b" });
  found.sorted = await redis.zrange("js:z", 0, -1, { withScores: true });
  found.scan = (await redis.scan(0, { match: "js:z", count: 1000 }))[1];
  found.script = await redis.eval("return {KEYS[1], ARGV[1], 7}", ["k"], ["v"]);
  found.status = await redis.eval("return {redis.status_reply('OK'), 'OK'}", [], []);
  found.ping = await redis.ping();

  const pipeline = redis.pipeline();
  pipeline.set("js:p", 1);
  pipeline.incr("js:p");
  pipeline.lrange("js:l", 0, -1);
  found.pipeline = await pipeline.exec();
  const broken = redis.pipeline();
  broken.set("js:s", "text");
  broken.incr("js:s");
  broken.get("js:s");
  found.broken = await broken.exec({ keepErrors: true });
  const multi = redis.multi();
  multi.set("js:m", "1");
  multi.incr("js:m");
  found.multi = await multi.exec();

  found.wrongType = await failing(() => redis.lpush("js:text", "x"));
  const plain = new Redis({ url, token, responseEncoding: false, enableAutoPipelining: false });
  found.plain = await plain.get("js:text");
  found.plainError = await failing(() => plain.incr("js:text"));
  found.unauthorized = await failing(() => new Redis({ url, token: "wrong", retry: false }).get("a"));

  const messages = [];
  const subscriber = redis.subscribe("js:news");
  const patterns = redis.psubscribe("js:n*");
  await new Promise((resolve, reject) => {
    let ready = 0;
    const begin = () => ++ready === 2 && redis.publish("js:news", { said: "it, twice" }).then(() => 0, reject);
    subscriber.on("subscribe", begin);
    patterns.on("psubscribe", begin);
    const take = (message) => messages.push(message) === 2 && resolve();
    subscriber.on("message", take);
    patterns.on("pmessage", take);
  });
  found.messages = messages.map((message) => [message.pattern ?? null, message.channel, message.message]);
  await subscriber.unsubscribe();
  await patterns.unsubscribe();
  console.log(JSON.stringify(found));
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
