// Each client of node, unmodified, at a node of Outlive: only the endpoint is changed. Writes what it found as JSON.
const [, , endpoint, secretArn, pgArn, myArn, ...only] = process.argv
const region = process.env.AWS_REGION
const assert = require('node:assert')

const at = { pg: { resourceArn: pgArn, secretArn, database: 'pg' }, my: { resourceArn: myArn, secretArn, database: 'my' } }

function sdk() {
  const { RDSData, RDSDataClient } = require('@aws-sdk/client-rds-data')
  return { RDSData: new RDSData({ endpoint, region }), client: new RDSDataClient({ endpoint, region }) }
}

async function fails(work) {
  try {
    await work()
  } catch (error) {
    return error
  }
  throw new Error('it did not fail')
}

const scenarios = {
  async drizzle() {
    const { drizzle } = require('drizzle-orm/aws-data-api/pg')
    const { pgTable, integer, text, uuid, timestamp, jsonb, bigint, numeric, boolean } = require('drizzle-orm/pg-core')
    const { eq, sql } = require('drizzle-orm')
    const db = drizzle({ client: sdk().client, ...at.pg })
    const table = pgTable('drizzled', {
      id: integer('id').primaryKey(), name: text('name'), key: uuid('key'), at: timestamp('at'), doc: jsonb('doc'),
      big: bigint('big', { mode: 'number' }), price: numeric('price'), yes: boolean('yes'), tags: text('tags').array()
    })
    await db.execute(sql`create table drizzled (id int primary key, name text, key uuid, at timestamp, doc jsonb,
      big bigint, price numeric, yes boolean, tags text[])`)
    const row = {
      id: 1, name: "a'b", key: '00000000-0000-0000-0000-00000000000a', at: new Date('2024-02-29T01:02:03.500Z'),
      doc: { a: [1] }, big: 5, price: '1.50', yes: true, tags: null
    }
    const returned = await db.insert(table).values(row).returning()
    const found = await db.select().from(table).where(eq(table.key, row.key))
    await db.transaction(async (tx) => {
      await tx.insert(table).values({ id: 2 })
      await fails(() => tx.transaction(async (inner) => {
        await inner.insert(table).values({ id: 3 })
        throw new Error('rolled back to the savepoint')
      }))
      await tx.update(table).set({ name: 'x' }).where(eq(table.id, 2))
    }, { isolationLevel: 'serializable' })
    await fails(() => db.transaction(async (tx) => {
      await tx.insert(table).values({ id: 4 })
      tx.rollback()
    }))
    const error = await fails(() => db.insert(table).values({ id: 1 }))
    const ids = (await db.select({ id: table.id }).from(table).orderBy(table.id)).map((one) => one.id)
    assert.deepStrictEqual(found, [row])
    return { ids, returned: returned.length, error: (error.cause ?? error).name }
  },

  async kysely() {
    const { Kysely } = require('kysely')
    const { DataApiDialect } = require('kysely-data-api')
    const found = {}
    for (const [name, mode] of [['pg', 'postgres'], ['my', 'mysql']]) {
      const db = new Kysely({ dialect: new DataApiDialect({ mode, driver: { client: sdk().RDSData, ...at[name] } }) })
      await db.schema.createTable('kyselied').addColumn('id', 'bigint', (c) => c.primaryKey()).addColumn('name', 'varchar(20)').execute()
      await db.insertInto('kyselied').values({ id: 5n, name: 'x' }).execute()
      await db.transaction().execute((tx) => tx.insertInto('kyselied').values({ id: 6, name: null }).execute())
      await fails(() => db.transaction().execute(async (tx) => {
        await tx.insertInto('kyselied').values({ id: 7, name: null }).execute()
        throw new Error('rolled back')
      }))
      const updated = await db.updateTable('kyselied').set({ name: 'y' }).where('id', '=', 5n).executeTakeFirst()
      const rows = await db.selectFrom('kyselied').selectAll().orderBy('id').execute()
      const none = await db.selectFrom('kyselied').selectAll().where('id', '=', 99).execute()
      found[name] = { rows, none, updated: Number(updated.numUpdatedRows) }
    }
    return found
  },

  async typeorm() {
    require('reflect-metadata')
    const { DataSource, EntitySchema } = require('typeorm')
    const found = {}
    for (const [name, type] of [['pg', 'aurora-postgres'], ['my', 'aurora-mysql']]) {
      const Item = new EntitySchema({
        name: `typeormed_${name}`,
        columns: {
          id: { type: 'int', primary: true, generated: 'increment' },
          name: { type: 'varchar', length: 20 },
          at: { type: name === 'pg' ? 'timestamp' : 'datetime', nullable: true },
          ...(name === 'pg' ? { key: { type: 'uuid', nullable: true } } : {})
        }
      })
      const source = new DataSource({
        type, ...at[name], region, serviceConfigOptions: { endpoint }, formatOptions: { castParameters: true },
        entities: [Item], synchronize: true
      })
      await source.initialize()
      const items = source.getRepository(Item)
      const key = name === 'pg' ? { key: '00000000-0000-0000-0000-00000000000a' } : {}
      const one = await items.save({ name: "a'b", at: new Date('2024-02-29T01:02:03Z'), ...key })
      await source.transaction((manager) => manager.save(Item, { name: 'second' }))
      await fails(() => source.transaction(async (manager) => {
        await manager.save(Item, { name: 'third' })
        throw new Error('rolled back')
      }))
      found[name] = { id: one.id, names: (await items.find({ order: { id: 'ASC' } })).map((item) => item.name) }
      await source.destroy()
    }
    return found
  },

  async knex() {
    require('aws-sdk').config.update({ region })
    const clients = require('knex-aurora-data-api-client')
    const Knex = require('knex')
    const found = {}
    for (const [name, client] of [['pg', clients.postgres], ['my', clients.mysql]]) {
      const knex = Knex({ client, connection: { ...at[name], region, sslEnabled: false, options: { endpoint, region } } })
      await knex.schema.createTable('knexed', (t) => { t.increments('id'); t.string('name') })
      await knex('knexed').insert({ name: "a'b" })
      await knex.transaction((tx) => tx('knexed').insert({ name: 'second' }))
      await fails(() => knex.transaction(async (tx) => {
        await tx('knexed').insert({ name: 'third' })
        throw new Error('rolled back')
      }))
      const error = await fails(() => knex('nowhere').select())
      found[name] = { names: (await knex('knexed').orderBy('id').select('name')).map((row) => row.name), error: error.message, has: await knex.schema.hasTable('nowhere') }
      await knex.destroy()
    }
    return found
  },

  async dataApiClient() {
    require('aws-sdk').config.update({ region })
    const make = require('data-api-client')
    const found = {}
    for (const [name, engine] of [['pg', 'pg'], ['my', 'mysql']]) {
      const client = make({ ...at[name], engine, region, sslEnabled: false, options: { endpoint, region } })
      await client.query('create table apied (id int primary key, name varchar(20))')
      await client.query('insert into apied values (:id, :name)', [[{ id: 1, name: 'x' }], [{ id: 2, name: null }]])
      await client.transaction().query('insert into apied values (:id, :name)', { id: 3, name: 'z' }).commit()
      await client.transaction()
        .query('insert into apied values (:id, :name)', { id: 4, name: 'z' })
        .query('select * from nowhere').rollback(() => {}).commit().catch(() => {})
      const error = await fails(() => client.query('select * from nowhere'))
      found[name] = { records: (await client.query('select * from apied order by id')).records, error: error.code }
    }
    return found
  }
}

async function main() {
  const found = {}
  for (const name of only.length ? only : Object.keys(scenarios)) {
    try {
      found[name] = await scenarios[name]()
    } catch (error) {
      found[name] = { failed: String(error.stack).slice(0, 1500), message: error.cause ? String(error.cause.stack).slice(0, 800) : '' }
    }
  }
  console.log(JSON.stringify(found, (_, value) => typeof value === 'bigint' ? Number(value) : value))
}

main()
