import java.io.ByteArrayInputStream;
import java.sql.*;
import java.util.Arrays;
import java.util.Properties;

/** MariaDB Connector/J: prints what it saw, a line a step. Arguments: host, port, file for LOAD DATA LOCAL. */
public class Scenario {
    static final String EMOJI = "naïve 日本語 😀 \\ ' \" %";
    static String host;
    static String port;
    static String file;

    interface Work { Object run() throws Exception; }

    static void step(String what, Work work) {
        try {
            System.out.println(what + " -> " + work.run());
        } catch (SQLException error) {
            String text = error.getMessage().replaceAll("\\(conn=-?\\d+\\) *", "");
            System.out.println(what + " -> error " + error.getErrorCode() + " " + error.getSQLState() + " " + text);
        } catch (Exception error) {
            System.out.println(what + " -> exception " + error);
        }
    }

    static Connection connect(String options) throws SQLException {
        String url = "jdbc:mariadb://" + host + ":" + port + "/test?allowPublicKeyRetrieval=true&allowLocalInfile=true" + options;
        Properties properties = new Properties();
        properties.setProperty("user", "app");
        properties.setProperty("password", "app-secret");
        return DriverManager.getConnection(url, properties);
    }

    static String rows(ResultSet set) throws SQLException {
        StringBuilder text = new StringBuilder();
        int columns = set.getMetaData().getColumnCount();
        for (int column = 1; column <= columns; column++)
            text.append(set.getMetaData().getColumnLabel(column)).append(':').append(set.getMetaData().getColumnTypeName(column)).append(' ');
        while (set.next()) {
            text.append('[');
            for (int column = 1; column <= columns; column++) text.append(set.getString(column)).append(';');
            text.append(']');
        }
        set.close();
        return text.toString();
    }

    static String query(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            return statement.execute(sql) ? rows(statement.getResultSet()) : "count " + statement.getUpdateCount();
        }
    }

    static void basics(String options) throws Exception {
        try (Connection c = connect(options)) {
            for (String sql : new String[] {
                "SELECT DATABASE(), CURRENT_USER(), @@character_set_client, @@autocommit", "DROP TABLE IF EXISTS java_items",
                "CREATE TABLE java_items (id INT AUTO_INCREMENT PRIMARY KEY, t VARCHAR(99) UNIQUE, n INT, b LONGBLOB)",
                "INSERT INTO java_items (t) VALUES ('a'), ('b')", "SELECT LAST_INSERT_ID(), ROW_COUNT()", "UPDATE java_items SET n = 1",
                "INSERT IGNORE INTO java_items (t) VALUES ('a')", "SHOW WARNINGS", "INSERT INTO java_items (t) VALUES ('a')", "SELEC",
                "SELECT * FROM no_such_table", "SET @a = 5", "SELECT @a", "SELECT CAST('1x' AS SIGNED)", "USE other", "SELECT DATABASE()", "USE test"})
                step(sql, () -> query(c, sql));
            step("prepared insert", () -> {
                try (PreparedStatement p = c.prepareStatement("INSERT INTO java_items (t, n, b) VALUES (?, ?, ?)", Statement.RETURN_GENERATED_KEYS)) {
                    String keys = "";
                    for (int n = 0; n < 3; n++) {
                        p.setString(1, EMOJI + n);
                        p.setInt(2, n);
                        p.setBytes(3, new byte[] {0, (byte) 255, 39});
                        p.executeUpdate();
                        keys += rows(p.getGeneratedKeys());
                    }
                    return keys;
                }
            });
            step("stream parameter", () -> {
                byte[] blob = new byte[400_000];
                Arrays.fill(blob, (byte) 'x');
                try (PreparedStatement p = c.prepareStatement("INSERT INTO java_items (t, b) VALUES (?, ?)")) {
                    p.setString(1, "blob");
                    p.setBinaryStream(2, new ByteArrayInputStream(blob));
                    p.executeUpdate();
                }
                return query(c, "SELECT LENGTH(b), SHA2(b, 256) FROM java_items WHERE t = 'blob'");
            });
            step("prepared select", () -> {
                String found = "";
                try (PreparedStatement p = c.prepareStatement("SELECT t, n, HEX(b), LAST_INSERT_ID() FROM java_items WHERE n = ?")) {
                    for (int n = 0; n < 4; n++) {
                        p.setInt(1, n);
                        found += rows(p.executeQuery());
                        query(c, "SELECT 1");
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
            step("batch", () -> {
                try (PreparedStatement p = c.prepareStatement("INSERT INTO java_items (t, n) VALUES (?, ?)")) {
                    for (int n = 0; n < 200; n++) {
                        p.setString(1, "batch " + n);
                        p.setInt(2, n);
                        p.addBatch();
                    }
                    return p.executeBatch().length + " " + query(c, "SELECT COUNT(*), SUM(n) FROM java_items WHERE t LIKE 'batch%'");
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
                found += query(c, "SELECT COUNT(*) FROM java_items");
                c.rollback();
                c.setAutoCommit(true);
                return found + query(c, "SELECT COUNT(*) FROM java_items") + c.getTransactionIsolation();
            });
            step("read only", () -> {
                c.setReadOnly(true);
                c.setReadOnly(false);
                c.setCatalog("other");
                String found = c.getCatalog();
                c.setCatalog("test");
                return found;
            });
            step("cursor", () -> {
                try (Statement s = c.createStatement(ResultSet.TYPE_FORWARD_ONLY, ResultSet.CONCUR_READ_ONLY)) {
                    s.setFetchSize(50);
                    int count = 0;
                    try (ResultSet set = s.executeQuery("SELECT a.id FROM java_items a JOIN java_items b")) {
                        while (set.next()) count++;
                    }
                    return count;
                }
            });
            step("prepared cursor", () -> {
                try (PreparedStatement p = c.prepareStatement("SELECT id, t FROM java_items WHERE id > ? ORDER BY id")) {
                    p.setFetchSize(7);
                    p.setInt(1, 0);
                    int sum = 0;
                    try (ResultSet set = p.executeQuery()) {
                        while (set.next()) sum += set.getString(2).length();
                    }
                    return sum;
                }
            });
            step("load data", () -> query(c, "LOAD DATA LOCAL INFILE '" + file + "' INTO TABLE java_items FIELDS TERMINATED BY ',' (n, t)"));
            step("loaded", () -> query(c, "SELECT COUNT(*), SUM(n) FROM java_items"));
            if (options.startsWith("&useServerPrepStmts=true")) interrupt(c);
            step("valid", () -> c.isValid(5));
            step("warnings", () -> {
                try (Statement s = c.createStatement()) {
                    s.executeQuery("SELECT CAST('1x' AS SIGNED)");
                    return rows(s.executeQuery("SHOW WARNINGS"));
                }
            });
            step("end", () -> query(c, "DROP TABLE java_items"));
        }
    }

    static void interrupt(Connection c) {
        step("query timeout", () -> {
            try (Statement s = c.createStatement()) {
                s.setQueryTimeout(1);
                try {
                    return "1 = " + rows(s.executeQuery("SELECT SLEEP(20)")).contains("[1;]");
                } catch (SQLTimeoutException error) {
                    return "1 = true";
                }
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
                    return "1 = " + rows(s.executeQuery("SELECT SLEEP(20)")).contains("[1;]");
                } catch (SQLException error) {
                    return "1 = " + (error.getErrorCode() == 1317);
                } finally {
                    other.join();
                }
            }
        });
    }

    public static void main(String[] arguments) throws Exception {
        System.setOut(new java.io.PrintStream(System.out, true, "UTF-8"));
        host = arguments[0];
        port = arguments[1];
        file = arguments[2];
        for (String options : new String[] {
            "", "&useServerPrepStmts=true", "&rewriteBatchedStatements=true&useServerPrepStmts=false", "&useCursorFetch=true&useBulkStmts=true&useServerPrepStmts=true",
            "&allowMultiQueries=true&useAffectedRows=true"}) {
            System.out.println("== " + options);
            basics(options);
        }
    }
}
