// What ioredis and node-redis hear; one line of JSON. `node scenario.js PORT CLIENT` with CLIENT one of the below.
const port = Number(process.argv[2]);

async function withIoredis(options) {
  const Redis = require("ioredis");
  const client = new Redis({ port, maxRetriesPerRequest: 1, ...options });
  const subscriber = client.duplicate();
  const heard = [];
  const ask = async (...words) => {
    try {
      heard.push(await client.call(...words));
    } catch (error) {
      heard.push(error.message);
    }
  };
  await ask("SET", "a", "é");
  await ask("GET", "a");
  await ask("INCR", "a");
  await ask("NOSUCH");
  await ask("HSET", "h", "f", "v");
  heard.push(await client.hgetall("h"));
  heard.push(await client.multi().incr("n").incr("n").get("a").exec());
  // With automatic pipelines the client itself cannot do this.
  if (!options.enableAutoPipelining) heard.push(await client.multi({ pipeline: false }), await client.incr("n"), await client.exec());
  heard.push(await client.pipeline().set("p", 1).lpush("p", 1).get("p").exec().then((all) => all.map(([error, value]) => (error ? error.message : value))));
  heard.push(await client.watch("w"), await client.multi().set("w", 1).exec());
  heard.push(await client.blpop("none", 0.05), await client.rpush("q", "x"), await client.blpop("q", 1));
  client.defineCommand("twice", { numberOfKeys: 1, lua: "return {KEYS[1], ARGV[1] * 2}" });
  heard.push(await client.twice("k", 21), await client.twice("k", 22));
  heard.push((await Promise.all(Array.from({ length: 500 }, (_, n) => client.set(`m${n}`, n).then(() => client.get(`m${n}`))))).join());
  await subscriber.subscribe("c");
  await subscriber.psubscribe("d*");
  const messages = new Promise((resolve) => {
    const all = [];
    const add = (...words) => { all.push(words); if (all.length === 2) resolve(all); };
    subscriber.on("message", add);
    subscriber.on("pmessage", add);
  });
  heard.push(await client.publish("c", "hello"), await client.publish("de", "there"), await messages);
  heard.push(await subscriber.unsubscribe("c"), await subscriber.punsubscribe());
  heard.push(await client.xadd("x", "1-1", "f", "v"), await client.xread("BLOCK", 20, "STREAMS", "x", "0"), await client.xread("BLOCK", 20, "STREAMS", "x", "$"));
  const keys = [];
  for await (const found of client.scanStream({ match: "m4*", count: 1000 })) keys.push(...found);
  heard.push(keys.sort().length);
  heard.push(await client.getBuffer("a").then((bytes) => bytes.toString("hex")));
  heard.push(await client.client("SETNAME", "me"), await client.client("GETNAME"), await client.select(3), await client.get("a"));
  heard.push(await client.quit(), await subscriber.quit());
  return heard;
}

async function withNodeRedis(options) {
  const { createClient, defineScript } = require("redis");
  const client = createClient({ socket: { port }, ...options });
  client.on("error", (error) => { console.error(error); process.exit(1); });
  await client.connect();
  const subscriber = client.duplicate();
  await subscriber.connect();
  const blocker = client.duplicate();
  await blocker.connect();
  const heard = [];
  const ask = async (...words) => {
    try {
      heard.push(await client.sendCommand(words));
    } catch (error) {
      heard.push(error.message);
    }
  };
  await ask("SET", "a", "é");
  await ask("GET", "a");
  await ask("INCR", "a");
  await ask("NOSUCH");
  await ask("HSET", "h", "f", "v");
  heard.push(Object.entries(await client.hGetAll("h")));
  heard.push(await client.multi().incr("n").incr("n").get("a").exec());
  heard.push(await client.watch("w"), await client.multi().set("w", "1").exec());
  heard.push(await client.multi().incr("a").exec().catch((error) => error.constructor.name));
  heard.push(await blocker.blPop("none", 0.05), await client.rPush("q", "x"), await blocker.blPop("q", 1));
  heard.push(await client.eval("return {KEYS[1], ARGV[1]}", { keys: ["k"], arguments: ["v"] }));
  heard.push(await client.zAdd("z", [{ score: 1.5, value: "m" }]), await client.zRangeWithScores("z", 0, -1), await client.zScore("z", "m"));
  heard.push((await Promise.all(Array.from({ length: 500 }, (_, n) => client.set(`m${n}`, `${n}`).then(() => client.get(`m${n}`))))).join());
  let ready;
  const messages = new Promise((resolve) => {
    const all = [];
    const add = (...words) => { all.push(words); if (all.length === 2) resolve(all); };
    ready = subscriber.subscribe("c", add).then(() => subscriber.pSubscribe("d*", add));
  });
  await ready;
  heard.push(await client.publish("c", "hello"), await client.publish("de", "there"), await messages);
  await subscriber.unsubscribe();
  await subscriber.pUnsubscribe();
  heard.push(await client.xAdd("x", "1-1", { f: "v" }), JSON.stringify(await blocker.xRead({ key: "x", id: "0" }, { BLOCK: 20 })), await blocker.xRead({ key: "x", id: "$" }, { BLOCK: 20 }));
  let keys = 0;
  for await (const found of client.scanIterator({ MATCH: "m4*", COUNT: 1000 })) keys += Array.isArray(found) ? found.length : 1;
  heard.push(keys);
  heard.push(await client.clientSetName("me"), await client.clientGetName(), await client.select(3), await client.get("a"));
  await client.close();
  await subscriber.close();
  await blocker.close();
  return heard;
}

const clients = {
  ioredis: () => withIoredis({}),
  "ioredis-auto": () => withIoredis({ enableAutoPipelining: true }),
  "node-redis-2": () => withNodeRedis({ RESP: 2 }),
  "node-redis-3": () => withNodeRedis({ RESP: 3 }),
};

clients[process.argv[3]]().then(
  (heard) => process.stdout.write(JSON.stringify(heard) + "\n", () => process.exit(0)),
  (error) => { console.error(error); process.exit(1); },
);
