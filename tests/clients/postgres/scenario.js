// node's pg with its pool, cursors and COPY streams, and knex. Prints what it saw as JSON, one entry a step.
'use strict';
const { Client, Pool } = require('pg');
const Cursor = require('pg-cursor');
const { from, to } = require('pg-copy-streams');
const { Readable } = require('stream');
const { pipeline } = require('stream/promises');
const knex = require('knex');

const [host, port] = process.argv.slice(2);
const options = { host, port: Number(port), user: 'app', password: 'app-secret', database: 'test' };
const seen = [];
const TEXT = 'naïve 日本語 😀 \\ \' " % $1';

function note(what, value) {
  seen.push([what, JSON.parse(JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? String(v) : v)) ?? 'null')]);
}

function shown(result) {
  return Array.isArray(result) ? result.map(shown)
    : { command: result.command, count: result.rowCount, rows: result.rows, fields: result.fields.map((f) => [f.name, f.dataTypeID, f.format]) };
}

async function attempt(c, query, values) {
  try {
    note(query, shown(await c.query(query, values)));
  } catch (error) {
    note(query, { code: error.code, message: error.message, detail: error.detail, position: error.position, constraint: error.constraint });
  }
}

async function basics() {
  const c = new Client({ ...options, application_name: 'node', options: '-c work_mem=5MB', statement_timeout: 50000 });
  const told = [];
  c.on('notice', (notice) => told.push(notice.message));
  c.on('notification', (message) => told.push([message.channel, message.payload]));
  await c.connect();
  const steps = [
    "SELECT current_database(), current_user, current_setting('application_name'), current_setting('work_mem'), current_setting('statement_timeout')",
    'DROP TABLE IF EXISTS node_items', 'CREATE TABLE node_items (id serial PRIMARY KEY, t text UNIQUE, n numeric, b bytea, d timestamptz, j jsonb)',
    "INSERT INTO node_items (t) VALUES ('a'), ('b') RETURNING id", 'UPDATE node_items SET n = 1', "INSERT INTO node_items (t) VALUES ('a')",
    'SELEC', 'SELECT * FROM no_such_table', 'SELECT 1/0', "SET timezone = 'Asia/Tokyo'", "SELECT '2024-02-01 00:00:00+00'::timestamptz::text",
    'RESET ALL', "SELECT current_setting('timezone'), current_setting('application_name')", 'SELECT 1; SELECT 2 AS two; SELECT 3 WHERE false', 'SELECT 1; SELECT 1/0; SELECT 2', '',
    "DO $$ BEGIN RAISE NOTICE 'noted'; END $$", 'LISTEN node', "NOTIFY node, 'one'", 'SELECT 1', 'UNLISTEN node', 'CREATE TEMP TABLE temp_node (a int)', 'DROP TABLE temp_node',
  ];
  for (const sql of steps) await attempt(c, sql);
  note('told', told);
  await attempt(c, 'INSERT INTO node_items (t, n, b, d, j) VALUES ($1, $2, $3, $4, $5)', [TEXT, '12.50', Buffer.from([0, 255, 39]), '2024-02-29T01:02:03Z', { a: [1, 'é'] }]);
  await attempt(c, 'SELECT t, n, b, d, j FROM node_items WHERE t = $1', [TEXT]);
  for (let n = 0; n < 5; n += 1) {
    await attempt(c, { name: 'by id', text: 'SELECT t, $2::text AS p FROM node_items WHERE id = $1', values: [n, TEXT] });
    await attempt(c, { name: 'other', text: 'SELECT count(*) FROM node_items WHERE id > $1', values: [n], rowMode: 'array' });
    await attempt(c, { name: 'wrong', text: 'SELECT no_such_column FROM node_items WHERE id = $1', values: [n] });
  }
  await attempt(c, { name: 'by id', text: 'SELECT t, $2::text AS p FROM node_items WHERE id = $1', values: [1] });
  await c.query('BEGIN');
  await attempt(c, 'DELETE FROM node_items WHERE id > $1', [0]);
  await attempt(c, 'SELECT no_such_column');
  await attempt(c, 'SELECT 1');
  await c.query('ROLLBACK');
  await attempt(c, 'SELECT count(*) FROM node_items');
  // Sent at once: pg queues them, and each gets its own answer.
  const answers = await Promise.all(Array.from({ length: 60 }, (_, n) => (n % 3 === 0 ? c.query('SELECT $1::int AS n', [n]) : c.query({ name: `at once ${n % 3}`, text: `SELECT $1::int AS n, ${n % 3}`, values: [n] }))));
  note('own answers', answers.every(({ rows }, n) => rows[0].n === n));
  await c.end();
}

async function streams() {
  const c = new Client(options);
  await c.connect();
  const cursor = c.query(new Cursor('SELECT i, repeat($1, 10) AS t FROM generate_series(1, 1000) i', ['x']));
  let sum = 0;
  for (let rows = await cursor.read(90); rows.length; rows = await cursor.read(90)) sum += rows.reduce((a, row) => a + row.i, 0);
  await cursor.close();
  const left = c.query(new Cursor('SELECT generate_series(1, 100000) AS i'));
  note('cursor', [sum, (await left.read(5)).length]);
  await left.close();
  await attempt(c, "SELECT 'after the cursor'");
  const broken = c.query(new Cursor('SELECT 1/(3 - i) FROM generate_series(1, 10) i'));
  try {
    await broken.read(1);
    await broken.read(100);
  } catch (error) {
    note('cursor error', error.message);
  }
  await broken.close().catch(() => {});
  await c.query('CREATE TEMP TABLE copied (n int, t text)');
  await pipeline(Readable.from((function* lines() { for (let n = 0; n < 20000; n += 1) yield `${n}\trow ${n}\n`; })()), c.query(from('COPY copied FROM STDIN')));
  await attempt(c, 'SELECT count(*), sum(n) FROM copied');
  let bytes = 0;
  for await (const chunk of c.query(to('COPY copied TO STDOUT'))) bytes += chunk.length;
  note('copied', bytes);
  try {
    await pipeline(Readable.from(['1\tx\nz\ty\n']), c.query(from('COPY copied FROM STDIN')));
  } catch (error) {
    note('copy error', error.message);
  }
  const blob = Buffer.alloc(9 * 1024 * 1024, 'abcdefghij');
  const { rows } = await c.query('SELECT $1::bytea AS b, length($1::bytea) AS n', [blob]);
  note('blob', [rows[0].b.equals(blob), rows[0].n]);
  await attempt(c, 'DROP TABLE copied');
  await c.end();
}

async function pools() {
  const pool = new Pool({ ...options, max: 12 });
  const found = await Promise.all(Array.from({ length: 80 }, async (_, n) => {
    const c = await pool.connect();
    try {
      await c.query(`SET app.mine = '${n}'`);
      await c.query('BEGIN');
      await c.query({ name: 'x', text: 'SELECT $1::int AS x', values: [n] });
      await c.query('COMMIT');
      const { rows } = await c.query({ name: 'mine', text: "SELECT current_setting('app.mine') || $1 AS x", values: ['!'] });
      return rows[0].x;
    } finally {
      c.release();
    }
  }));
  note('pool', found);
  await pool.end();
}

async function withKnex() {
  const k = knex({ client: 'pg', connection: options, searchPath: ['public', 'pg_catalog'], pool: { min: 0, max: 5 } });
  await k.schema.dropTableIfExists('knex_items');
  await k.schema.createTable('knex_items', (table) => {
    table.increments();
    table.string('name').unique();
    table.jsonb('data');
  });
  note('knex', await k('knex_items').insert(Array.from({ length: 20 }, (_, n) => ({ name: `item ${n}`, data: { n } })), ['id']));
  await k.transaction(async (t) => {
    await t('knex_items').where('id', '<', 5).update({ name: k.raw("name || '!'") });
    await t.transaction(async (inner) => { await inner('knex_items').del(); throw new Error('undone'); }).catch(() => {});
  });
  await k.transaction(async (t) => { await t('knex_items').del(); throw new Error('undone'); }).catch((error) => note('knex', error.message));
  note('knex', await k('knex_items').select('name').orderBy('id').limit(7));
  note('knex', await Promise.all(Array.from({ length: 30 }, (_, n) => k('knex_items').where({ id: n }).first())));
  await k('knex_items').insert({ name: 'item 19' }).catch((error) => note('knex', [error.code, error.message]));
  let rows = 0;
  for await (const row of k.select('*').from('knex_items').stream({ highWaterMark: 3 })) rows += row.id > 0;
  note('knex', [rows, await k.raw("SELECT current_setting('search_path') AS path").then((found) => found.rows)]);
  await k.schema.dropTable('knex_items');
  await k.destroy();
}

async function cancels() {
  const c = new Client(options);
  await c.connect();
  const other = new Client(options);
  const sleeping = c.query('SELECT pg_sleep(20)').then(() => 'slept', (error) => error.code);
  let over = false;
  sleeping.then(() => { over = true; });
  while (!over) {
    await new Promise((done) => setTimeout(done, 200));
    const canceller = new Client(options);
    await new Promise((done) => {
      canceller.connection.once('connect', () => canceller.connection.cancel(c.processID, c.secretKey));
      canceller.connection.once('end', done);
      canceller.connection.on('error', done);
      canceller.connection.connect(Number(port), host);
    });
  }
  note('cancelled', await sleeping);
  await attempt(c, "SELECT 'alive'");
  await c.end();
  const impatient = new Client({ ...options, query_timeout: 200 });
  impatient.on('error', () => {}); // its socket is destroyed below
  await impatient.connect();
  await impatient.query('SELECT pg_sleep(2)').catch((error) => note('timeout', error.message));
  impatient.connection.stream.destroy();
  await other.connect();
  await attempt(other, 'DROP TABLE node_items');
  await other.end();
}

(async () => {
  for (const part of [basics, streams, pools, withKnex, cancels]) await part();
  console.log(JSON.stringify(seen));
})().catch((error) => { console.error(error); process.exit(1); });
