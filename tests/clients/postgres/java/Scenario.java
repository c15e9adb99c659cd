import java.io.*;
import java.nio.charset.StandardCharsets;
import java.sql.*;
import java.util.*;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;
import org.postgresql.largeobject.LargeObject;
import org.postgresql.largeobject.LargeObjectManager;

/** PostgreSQL's JDBC driver: prints what it saw, a line a step. Arguments: host, port, and the options of each turn. */
public class Scenario {
    static final String TEXT = "naïve 日本語 😀 \\ ' \" % $1";
    static String host;
    static String port;

    interface Work { Object run() throws Exception; }

    static void step(String what, Work work) {
        try {
            System.out.println(what + " -> " + work.run());
        } catch (SQLException error) {
            System.out.println(what + " -> error " + error.getSQLState() + " " + error.getMessage().replace('\n', ' '));
        } catch (Exception error) {
            System.out.println(what + " -> exception " + error);
        }
    }

    static Connection connect(String options) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", "app");
        properties.setProperty("password", "app-secret");
        return DriverManager.getConnection("jdbc:postgresql://" + host + ":" + port + "/test?ApplicationName=jdbc" + options, properties);
    }

    static String rows(ResultSet set) throws SQLException {
        StringBuilder text = new StringBuilder();
        int columns = set.getMetaData().getColumnCount();
        for (int column = 1; column <= columns; column++)
            text.append(set.getMetaData().getColumnLabel(column)).append(':').append(set.getMetaData().getColumnTypeName(column)).append(' ');
        while (set.next()) {
            text.append('[');
            for (int column = 1; column <= columns; column++)
                text.append(set.getObject(column) instanceof byte[] ? Arrays.toString(set.getBytes(column)) : set.getString(column)).append(';');
            text.append(']');
        }
        set.close();
        return text.toString();
    }

    static String query(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            String found = statement.execute(sql) ? rows(statement.getResultSet()) : "count " + statement.getUpdateCount();
            for (SQLWarning warning = statement.getWarnings(); warning != null; warning = warning.getNextWarning()) found += " warning " + warning.getMessage();
            return found;
        }
    }

    static void basics(String options) throws Exception {
        try (Connection c = connect(options)) {
            for (String sql : new String[] {
                "SELECT current_database(), current_user, current_setting('TimeZone'), current_setting('extra_float_digits'), current_setting('application_name')",
                "DROP TABLE IF EXISTS java_items", "CREATE TABLE java_items (id serial PRIMARY KEY, t text UNIQUE, n int, b bytea, d timestamptz, u uuid)",
                "INSERT INTO java_items (t) VALUES ('a'), ('b')", "UPDATE java_items SET n = 1", "INSERT INTO java_items (t) VALUES ('a')", "SELEC",
                "SELECT * FROM no_such_table", "SET timezone = 'Asia/Tokyo'", "SELECT '2024-02-01 00:00:00+00'::timestamptz", "RESET ALL", "SHOW timezone",
                "DO $$ BEGIN RAISE WARNING 'careful'; END $$", "SELECT 1.5::numeric, 1e10::float8, true, NULL, ARRAY[1,2], '{\"a\": 1}'::json, '\\x00ff'::bytea, 1::int8"})
                step(sql, () -> query(c, sql));
            step("prepared insert", () -> {
                try (PreparedStatement p = c.prepareStatement("INSERT INTO java_items (t, n, b, u) VALUES (?, ?, ?, ?)", Statement.RETURN_GENERATED_KEYS)) {
                    String keys = "";
                    for (int n = 0; n < 12; n++) {
                        p.setString(1, TEXT + n);
                        p.setInt(2, n);
                        p.setBytes(3, new byte[] {0, (byte) 255, 39});
                        p.setObject(4, new UUID(1, n));
                        p.executeUpdate();
                        ResultSet set = p.getGeneratedKeys();
                        while (set.next()) keys += set.getInt("id") + " ";
                    }
                    return keys;
                }
            });
            step("prepared select", () -> {
                String found = "";
                try (PreparedStatement p = c.prepareStatement("SELECT t, n, b, u, ? AS p FROM java_items WHERE n = ?")) {
                    for (int n = 0; n < 12; n++) {  // from the fifth on by a named statement
                        p.setString(1, "x");
                        p.setInt(2, n);
                        found += rows(p.executeQuery());
                        query(c, "SELECT 1");
                    }
                }
                return found;
            });
            step("prepared of other types", () -> {
                String found = "";
                try (PreparedStatement p = c.prepareStatement("SELECT ?::text")) {
                    for (int n = 0; n < 12; n++) {
                        if (n % 4 < 2) p.setInt(1, n); else p.setString(1, TEXT);
                        found += rows(p.executeQuery());
                    }
                }
                return found;
            });
            step("prepared error", () -> {
                try (PreparedStatement p = c.prepareStatement("SELECT no_such_column FROM java_items WHERE n = ?")) {
                    p.setInt(1, 1);
                    return rows(p.executeQuery());
                }
            });
            step("altered", () -> {
                String found = "";
                try (PreparedStatement p = c.prepareStatement("SELECT * FROM java_items WHERE n = ? ORDER BY id LIMIT 1")) {
                    p.setInt(1, 1);
                    for (int n = 0; n < 7; n++) found = rows(p.executeQuery());
                    query(c, "ALTER TABLE java_items ADD extra text DEFAULT 'new'");
                    found += rows(p.executeQuery());
                }
                return found;
            });
            step("after altered", () -> {
                try (PreparedStatement p = c.prepareStatement("SELECT * FROM java_items WHERE n = ? ORDER BY id LIMIT 1")) {
                    p.setInt(1, 1);
                    return rows(p.executeQuery());
                }
            });
            step("batch", () -> {
                try (PreparedStatement p = c.prepareStatement("INSERT INTO java_items (t, n) VALUES (?, ?)")) {
                    for (int n = 0; n < 700; n++) {
                        p.setString(1, "batch " + n);
                        p.setInt(2, n);
                        p.addBatch();
                    }
                    return p.executeBatch().length + " " + query(c, "SELECT count(*), sum(n) FROM java_items WHERE t LIKE 'batch%'");
                }
            });
            step("failing batch", () -> {
                try (PreparedStatement p = c.prepareStatement("INSERT INTO java_items (t) VALUES (?)")) {
                    for (String t : new String[] {"batch ok", "batch 1", "batch skipped"}) {
                        p.setString(1, t);
                        p.addBatch();
                    }
                    return Arrays.toString(p.executeBatch());
                }
            });
            step("mixed batch", () -> {
                try (Statement s = c.createStatement()) {
                    s.addBatch("INSERT INTO java_items (t) VALUES ('one of them')");
                    s.addBatch("UPDATE java_items SET n = 5 WHERE t = 'one of them'");
                    return Arrays.toString(s.executeBatch());
                }
            });
            step("transaction", () -> {
                c.setAutoCommit(false);
                c.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
                String found = query(c, "DELETE FROM java_items");
                Savepoint savepoint = c.setSavepoint("s");
                query(c, "INSERT INTO java_items (t) VALUES ('gone')");
                c.rollback(savepoint);
                found += query(c, "SELECT count(*) FROM java_items");
                c.rollback();
                step("fails", () -> query(c, "SELECT 1/0"));
                step("refused", () -> query(c, "SELECT 1"));
                c.rollback();
                c.setAutoCommit(true);
                return found + query(c, "SELECT count(*) FROM java_items") + c.getTransactionIsolation() + query(c, "SHOW transaction_isolation");
            });
            step("read only, schema", () -> {
                c.setReadOnly(true);
                step("write", () -> { c.setAutoCommit(false); try { return query(c, "DELETE FROM java_items"); } finally { c.rollback(); c.setAutoCommit(true); } });
                c.setReadOnly(false);
                c.setSchema("pg_catalog");
                String found = c.getSchema();
                c.setSchema("public");
                return found + query(c, "SHOW search_path");
            });
            step("cursor", () -> {
                c.setAutoCommit(false);
                int count = 0;
                try (PreparedStatement p = c.prepareStatement("SELECT a.id FROM java_items a WHERE id > ?")) {
                    p.setFetchSize(50);
                    p.setInt(1, 0);
                    try (ResultSet set = p.executeQuery()) {
                        while (set.next()) {
                            if (count++ % 100 == 0) query(c, "SELECT 'between'");
                        }
                    }
                }
                c.commit();
                c.setAutoCommit(true);
                return count;
            });
            step("copy", () -> {
                CopyManager copy = c.unwrap(PGConnection.class).getCopyAPI();
                StringBuilder lines = new StringBuilder();
                for (int n = 0; n < 20000; n++) lines.append("copied ").append(n).append('\n');
                long in = copy.copyIn("COPY java_items (t) FROM STDIN", new StringReader(lines.toString()));
                ByteArrayOutputStream out = new ByteArrayOutputStream();
                long written = copy.copyOut("COPY (SELECT t FROM java_items WHERE t LIKE 'copied%' ORDER BY id) TO STDOUT", out);
                return in + " " + written + " " + out.toString(StandardCharsets.UTF_8).equals(lines.toString());
            });
            step("broken copy", () -> c.unwrap(PGConnection.class).getCopyAPI().copyIn("COPY java_items (n) FROM STDIN", new StringReader("1\nx\n")));
            step("large object", () -> {
                c.setAutoCommit(false);
                LargeObjectManager manager = c.unwrap(PGConnection.class).getLargeObjectAPI();
                long oid = manager.createLO();
                byte[] data = new byte[300_000];
                Arrays.fill(data, (byte) 7);
                try (LargeObject large = manager.open(oid, LargeObjectManager.WRITE)) { large.write(data); }
                byte[] found;
                try (LargeObject large = manager.open(oid, LargeObjectManager.READ)) { found = large.read(400_000); }
                manager.delete(oid);
                c.commit();
                c.setAutoCommit(true);
                return Arrays.equals(data, found);
            });
            step("stream parameter", () -> {
                byte[] blob = new byte[3_000_000];
                Arrays.fill(blob, (byte) 'x');
                try (PreparedStatement p = c.prepareStatement("INSERT INTO java_items (t, b) VALUES (?, ?)")) {
                    p.setString(1, "blob");
                    p.setBinaryStream(2, new ByteArrayInputStream(blob), blob.length);
                    p.executeUpdate();
                }
                return query(c, "SELECT length(b), encode(sha256(b), 'hex') FROM java_items WHERE t = 'blob'");
            });
            step("function", () -> {
                query(c, "CREATE OR REPLACE FUNCTION java_double(n int) RETURNS int LANGUAGE sql AS 'SELECT n * 2'");
                try (CallableStatement call = c.prepareCall("{? = call java_double(?)}")) {
                    call.registerOutParameter(1, Types.INTEGER);
                    call.setInt(2, 21);
                    call.execute();
                    return call.getInt(1);
                } finally {
                    query(c, "DROP FUNCTION java_double");
                }
            });
            step("notifications", () -> {
                query(c, "LISTEN java");
                query(c, "NOTIFY java, 'payload'");
                String found = "";
                for (org.postgresql.PGNotification n : c.unwrap(PGConnection.class).getNotifications(2000)) found += n.getName() + n.getParameter();
                query(c, "UNLISTEN java");
                return found;
            });
            step("columns", () -> rows(c.getMetaData().getColumns(null, "public", "java_items", "%")).length() > 100);
            if (options.isEmpty()) interrupt(c);
            step("valid", () -> c.isValid(5));
            step("end", () -> query(c, "DROP TABLE java_items"));
        }
    }

    static void interrupt(Connection c) {
        step("query timeout", () -> {
            try (Statement s = c.createStatement()) {
                s.setQueryTimeout(1);
                return rows(s.executeQuery("SELECT pg_sleep(20)"));
            }
        });
        step("after the timeout", () -> query(c, "SELECT 'alive'"));
        step("cancel", () -> {
            try (Statement s = c.createStatement()) {
                Thread other = new Thread(() -> {
                    try {
                        Thread.sleep(500);
                        s.cancel();
                    } catch (Exception error) {
                        System.out.println("cancel failed " + error);
                    }
                });
                other.start();
                try {
                    return rows(s.executeQuery("SELECT pg_sleep(20)"));
                } finally {
                    other.join();
                }
            }
        });
        step("after the cancel", () -> query(c, "SELECT 'alive'"));
    }

    public static void main(String[] arguments) throws Exception {
        System.setOut(new PrintStream(System.out, true, "UTF-8"));
        host = arguments[0];
        port = arguments[1];
        for (int turn = 2; turn < arguments.length; turn++) {
            String options = arguments[turn];
            System.out.println("== " + options);
            basics(options);
        }
    }
}
