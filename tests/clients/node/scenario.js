// mysql2: `query` (text) and `execute` (prepared). Prints what it saw as JSON, one entry a step.
'use strict';
const fs = require('fs');
const mysql = require('mysql2/promise');

const [host, port, file] = process.argv.slice(2);
const options = { host, port: Number(port), user: 'app', password: 'app-secret', database: 'test', charset: 'utf8mb4' };
const seen = [];
const EMOJI = 'naïve 日本語 😀 \\ \' " %';

function note(what, value) {
  seen.push([what, JSON.parse(JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? String(v) : v)))]);
}

async function attempt(connection, kind, sql, values) {
  try {
    const [rows, fields] = await connection[kind](sql, values);
    note([kind, sql], Array.isArray(rows)
      ? { rows, fields: fields && fields.map((f) => f && (Array.isArray(f) ? f.map((g) => g.name) : [f.name, f.columnType])) }
      : { affected: rows.affectedRows, id: rows.insertId, warnings: rows.warningStatus, info: rows.info, changed: rows.changedRows });
  } catch (error) {
    note([kind, sql], { code: error.code, errno: error.errno, state: error.sqlState, message: error.sqlMessage });
  }
}

async function basics() {
  const c = await mysql.createConnection(options);
  const steps = [
    'SELECT DATABASE(), CURRENT_USER(), @@character_set_client, @@collation_connection, @@autocommit',
    'DROP TABLE IF EXISTS node_items',
    'CREATE TABLE node_items (id INT AUTO_INCREMENT PRIMARY KEY, t VARCHAR(99) UNIQUE, n BIGINT, b LONGBLOB, d DATETIME(3))',
    "INSERT INTO node_items (t) VALUES ('a'), ('b')", 'SELECT LAST_INSERT_ID() AS id, ROW_COUNT() AS n',
    "UPDATE node_items SET n = 1", "UPDATE node_items SET n = 1", "INSERT IGNORE INTO node_items (t) VALUES ('a')", 'SHOW WARNINGS',
    "INSERT INTO node_items (t) VALUES ('a')", 'SELEC', 'SELECT * FROM no_such_table', "SET @a = 5, @b = 'x'", 'SELECT @a, @b',
    'SELECT 1/0', 'SELECT @@warning_count', 'SELECT SQL_CALC_FOUND_ROWS id FROM node_items LIMIT 1', 'SELECT FOUND_ROWS()',
    'USE other', 'SELECT DATABASE()', 'USE test', "SET time_zone = '+02:00'", 'SELECT @@time_zone',
  ];
  for (const sql of steps) await attempt(c, 'query', sql);
  await attempt(c, 'query', 'INSERT INTO node_items (t, n, b, d) VALUES (?, ?, ?, ?)', [EMOJI, 2 ** 40, Buffer.from([0, 255, 39]), '2024-02-29 01:02:03.456']);
  await attempt(c, 'execute', 'INSERT INTO node_items (t, n) VALUES (?, ?)', ['prepared', 7]);
  await attempt(c, 'execute', 'INSERT INTO node_items (t, n) VALUES (?, ?)', ['prepared 2', null]);
  await attempt(c, 'execute', 'SELECT LAST_INSERT_ID() AS id, ? AS p', ['x']);
  await attempt(c, 'execute', 'SELECT t, n, d, HEX(b) h FROM node_items WHERE id > ? ORDER BY id', [0]);
  await attempt(c, 'execute', 'SELECT t, n, d, HEX(b) h FROM node_items WHERE id > ? ORDER BY id', ['2']);
  await attempt(c, 'execute', 'SELECT no_such_column FROM node_items WHERE id = ?', [1]);
  await attempt(c, 'execute', 'SELECT ROW_COUNT() AS rc', []);
  await attempt(c, 'query', 'SELECT t FROM node_items WHERE t = ?', [EMOJI]);
  await c.beginTransaction();
  await attempt(c, 'execute', 'DELETE FROM node_items WHERE id > ?', [0]);
  await attempt(c, 'query', 'SELECT COUNT(*) FROM node_items');
  await c.rollback();
  await attempt(c, 'query', 'SELECT COUNT(*) FROM node_items');
  await c.ping();
  await attempt(c, 'query', 'SELECT 1; SELECT 2');
  await c.changeUser({ user: 'app2', password: 'app2-secret', database: 'other' });
  await attempt(c, 'query', 'SELECT CURRENT_USER(), DATABASE(), @a');
  await c.end();
}

async function many() {
  const c = await mysql.createConnection({ ...options, multipleStatements: true, infileStreamFactory: () => fs.createReadStream(file), flags: ['+LOCAL_FILES'] });
  await attempt(c, 'query', 'SELECT 1 AS a; INSERT INTO node_items (t) VALUES (\'multi\'); SELECT t FROM node_items WHERE id = LAST_INSERT_ID()');
  await attempt(c, 'query', { sql: `LOAD DATA LOCAL INFILE '${file}' INTO TABLE node_items FIELDS TERMINATED BY ',' (n, t)`, infileStreamFactory: () => fs.createReadStream(file) });
  await attempt(c, 'query', 'SELECT COUNT(*), SUM(n) FROM node_items');
  const blob = Buffer.alloc(17 * 1024 * 1024, 'abcdefghij');
  for (const kind of ['query', 'execute']) {
    const [done] = await c[kind]('INSERT INTO node_items (t, b) VALUES (?, ?)', [`blob ${kind}`, blob]);
    const [rows] = await c[kind]('SELECT b FROM node_items WHERE id = ?', [done.insertId]);
    note(`blob ${kind}`, rows[0].b.equals(blob));
  }
  // Sent at once: mysql2 queues them, and each gets its own answer.
  const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => c.query('SELECT ? AS n, CONNECTION_ID() = CONNECTION_ID() AS same', [n])));
  note('own answers', answers.every(([rows], n) => rows[0].n === n));
  const stream = c.connection.query('SELECT a.id FROM information_schema.collations a JOIN information_schema.collations b').stream();
  let rows = 0;
  for await (const _ of stream) rows += 1;
  note('streamed', rows);
  await c.end();
}

async function pool() {
  const p = mysql.createPool({ ...options, connectionLimit: 10 });
  const found = await Promise.all(Array.from({ length: 60 }, async (_, n) => {
    const c = await p.getConnection();
    try {
      await c.query('SET @mine = ?', [n]);
      await c.beginTransaction();
      await c.execute('SELECT ? AS x', [n]);
      await c.commit();
      const [rows] = await c.execute("SELECT CONCAT('client', ?, '-', @mine) AS x", [String(n)]);
      return rows[0].x;
    } finally {
      c.release();
    }
  }));
  note('pool', found);
  await p.end();
}

async function cancel() {
  const victim = await mysql.createConnection(options);
  const killer = await mysql.createConnection(options);
  const [[{ id }]] = await victim.query('SELECT CONNECTION_ID() AS id');
  note('thread id', id === victim.threadId);
  // Interrupted before it slept it is an error, while it sleeps a 1, on some servers and some days.
  const sleeping = victim.query('SELECT SLEEP(20) AS slept').then(([rows]) => rows[0].slept === 1, (error) => error.errno === 1317)
    .then((interrupted) => note('interrupted', interrupted));
  let over = false;
  sleeping.then(() => { over = true; });
  while (!over) {
    await new Promise((done) => setTimeout(done, 150));
    await killer.query(`KILL QUERY ${id}`);
  }
  await attempt(victim, 'query', "SELECT 'alive'");
  try {
    await killer.query({ sql: 'SELECT SLEEP(5)', timeout: 200 });
  } catch (error) {
    note('timeout', error.code);
  }
  killer.destroy();
  await attempt(victim, 'query', 'DROP TABLE node_items');
  await victim.end();
}

(async () => {
  for (const part of [basics, many, pool, cancel]) await part();
  console.log(JSON.stringify(seen));
})().catch((error) => { console.error(error); process.exit(1); });
