// pgjdbc: the catalogs through DatabaseMetaData, prepared statements, cursors, batches, COPY, cancelling, types, and
// the queries by which Metabase synchronises.
import java.io.ByteArrayOutputStream;
import java.io.StringReader;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.sql.*;
import java.time.*;
import java.util.*;
import org.postgresql.PGConnection;
import org.postgresql.PGStatement;
import org.postgresql.copy.CopyManager;

public class JdbcClient {
    static final String NAME = "j" + UUID.randomUUID().toString().substring(0, 8);
    static String url;

    public static void main(String[] arguments) throws Exception {
        URI address = URI.of(arguments[0]);
        url = address.jdbc();
        try (Connection connection = open("")) {
            types(connection);
            metadata(connection);
            errors(connection);
            transactions(connection);
            prepared(connection);
            cursors(connection);
            copies(connection);
            cancelled(connection);
            editable(connection);
            metabase(connection);
        }
        batches(false);
        batches(true);
        simple();
        try (Connection connection = open("")) {
            run(connection, "DROP TABLE " + NAME + ", " + NAME + "_pair CASCADE");
            System.out.println("pgjdbc " + connection.getMetaData().getDriverVersion() + " ok");
        }
    }

    record URI(String jdbc) {
        /**
         * `postgresql://user@host:port/name`, as libpq has it. Strings are sent without a type: declared as VARCHAR, which is
         * the driver's default, they come back as TEXT in a statement's description, and the driver gives up.
         */
        static URI of(String address) {
            java.net.URI uri = java.net.URI.create(address);
            return new URI("jdbc:postgresql://" + uri.getHost() + ":" + uri.getPort() + uri.getPath() + "?user=" + uri.getUserInfo() + "&stringtype=unspecified");
        }
    }

    static Connection open(String options) throws SQLException {
        return DriverManager.getConnection(url + options);
    }

    static void is(Object found, Object wanted) {
        if (!Objects.equals(found, wanted)) throw new AssertionError("found " + found + ", not " + wanted);
    }

    static int run(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            return statement.executeUpdate(sql);
        }
    }

    /** The rows of a result, each with the columns that are asked for, or with all. */
    static List<List<String>> rows(ResultSet result, String... columns) throws SQLException {
        List<List<String>> rows = new ArrayList<>();
        while (result.next()) {
            List<String> row = new ArrayList<>();
            for (String column : columns) row.add(result.getString(column));
            for (int i = 1; columns.length == 0 && i <= result.getMetaData().getColumnCount(); i++) row.add(result.getString(i));
            rows.add(row);
        }
        result.close();
        return rows;
    }

    static List<List<String>> query(Connection connection, String sql, Object... values) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int i = 0; i < values.length; i++) statement.setObject(i + 1, values[i]);
            return rows(statement.executeQuery());
        }
    }

    interface Action {
        void run() throws Exception;
    }

    static SQLException fails(String state, Action action) throws Exception {
        try {
            action.run();
        } catch (SQLException error) {
            if (!state.equals(error.getSQLState())) throw error;
            return error;
        }
        throw new AssertionError("it should have failed with " + state);
    }

    static void types(Connection connection) throws SQLException {
        run(connection, "CREATE TABLE " + NAME + " (id BIGINT PRIMARY KEY, small SMALLINT NOT NULL, whole INTEGER DEFAULT 5, flag BOOLEAN, "
            + "x DOUBLE PRECISION, r REAL, price NUMERIC(10,2), label VARCHAR(20), body TEXT, raw BYTEA, day DATE, clock TIME, "
            + "at TIMESTAMPTZ, plain TIMESTAMP)");
        run(connection, "CREATE TABLE " + NAME + "_pair (a INTEGER, b TEXT, PRIMARY KEY (b, a))");
        run(connection, "CREATE MATERIALIZED VIEW " + NAME + "_sums AS SELECT label, count(*) AS n, sum(price) AS total FROM " + NAME + " GROUP BY label");
        byte[] raw = {0, -1, '\\', '\''};
        Timestamp at = Timestamp.from(Instant.parse("2026-02-03T04:05:06.789012Z"));
        LocalDateTime plain = LocalDateTime.of(1999, 12, 31, 23, 59, 59, 999_999_000);
        try (PreparedStatement insert = connection.prepareStatement("INSERT INTO " + NAME + " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
             PreparedStatement select = connection.prepareStatement("SELECT * FROM " + NAME + " WHERE id = ?")) {
            // Before the fifth use values go as text, then the driver makes a statement of the server's, and binary.
            for (int id = 1; id <= 8; id++) {
                insert.setLong(1, id);
                insert.setShort(2, (short) 7);
                insert.setInt(3, -8);
                insert.setBoolean(4, true);
                insert.setDouble(5, 1.25);
                insert.setFloat(6, 0.5f);
                insert.setBigDecimal(7, new BigDecimal("-1234.50"));
                insert.setString(8, "it's \\ ü");
                insert.setObject(9, id == 8 ? null : "body");
                insert.setBytes(10, raw);
                insert.setObject(11, LocalDate.of(2026, 2, 3));
                insert.setObject(12, LocalTime.of(1, 2, 3, 4000));
                insert.setTimestamp(13, at);
                insert.setObject(14, plain);
                is(insert.executeUpdate(), 1);
                select.setInt(1, id);
                try (ResultSet row = select.executeQuery()) {
                    is(row.next(), true);
                    is(row.getLong("id"), (long) id);
                    is(row.getShort(2), (short) 7);
                    is(row.getInt(3), -8);
                    is(row.getBoolean(4), true);
                    is(row.getDouble(5), 1.25);
                    is(row.getFloat(6), 0.5f);
                    is(row.getBigDecimal(7), new BigDecimal("-1234.50"));
                    is(row.getString(8), "it's \\ ü");
                    is(row.getString(9), id == 8 ? null : "body");
                    is(Arrays.equals(row.getBytes(10), raw), true);
                    is(row.getObject(11, LocalDate.class), LocalDate.of(2026, 2, 3));
                    is(row.getObject(12, LocalTime.class), LocalTime.of(1, 2, 3, 4000));
                    is(row.getTimestamp(13), at);
                    is(row.getObject(13, OffsetDateTime.class).toInstant(), at.toInstant());
                    is(row.getObject(14, LocalDateTime.class), plain);
                    is(row.next(), false);
                }
            }
            is(select.unwrap(PGStatement.class).isUseServerPrepare(), true);
            insert.setLong(1, 9);
            insert.setShort(2, (short) 0);
            for (int i = 3; i <= 14; i++) insert.setNull(i, Types.NULL);
            is(insert.executeUpdate(), 1);
            List<String> kinds = new ArrayList<>();
            ParameterMetaData parameters = insert.getParameterMetaData();
            for (int i = 1; i <= parameters.getParameterCount(); i++) if (i < 8 || i > 9) kinds.add(parameters.getParameterTypeName(i));
            is(kinds, List.of("int8", "int2", "int4", "bool", "float8", "float4", "numeric", "bytea", "date", "time", "timestamptz", "timestamp"));
            ResultSetMetaData result = select.getMetaData();
            is(result.getColumnType(7), Types.NUMERIC);
            is(result.getPrecision(7), 10);
            is(result.getScale(7), 2);
        }
        is(query(connection, "SELECT n, total FROM " + NAME + "_sums WHERE label = ?", "it's \\ ü"), List.of(List.of("8", "-9876.00")));
    }

    static void metadata(Connection connection) throws SQLException {
        DatabaseMetaData data = connection.getMetaData();
        is(data.getDatabaseProductName(), "PostgreSQL");
        is(data.getDatabaseMajorVersion(), 15);
        is(List.of(data.getSQLKeywords().split(",")).containsAll(List.of("analyse", "ilike", "returning")), true);
        is(rows(data.getTables(null, "public", NAME + "%", new String[] {"TABLE", "VIEW", "MATERIALIZED VIEW"}), "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE"),
            List.of(List.of("public", NAME + "_sums", "MATERIALIZED VIEW"), List.of("public", NAME, "TABLE"), List.of("public", NAME + "_pair", "TABLE")));
        List<List<String>> columns = rows(data.getColumns(null, null, NAME, "%"), "COLUMN_NAME", "TYPE_NAME", "COLUMN_SIZE", "DECIMAL_DIGITS", "IS_NULLABLE", "COLUMN_DEF");
        is(columns.size(), 14);
        is(columns.get(0), Arrays.asList("id", "int8", "19", "0", "NO", null));
        is(columns.get(2), List.of("whole", "int4", "10", "0", "YES", "5"));
        is(columns.get(6).subList(0, 4), List.of("price", "numeric", "10", "2"));
        is(columns.get(7).subList(0, 3), List.of("label", "varchar", "20"));
        is(rows(data.getColumns(null, "public", NAME + "_sums", "%"), "COLUMN_NAME", "TYPE_NAME"),
            List.of(List.of("label", "text"), List.of("n", "int8"), List.of("total", "numeric")));
        is(rows(data.getPrimaryKeys(null, "public", NAME + "_pair"), "COLUMN_NAME", "KEY_SEQ", "PK_NAME"),
            List.of(List.of("b", "1", NAME + "_pair_pkey"), List.of("a", "2", NAME + "_pair_pkey")));
        is(rows(data.getIndexInfo(null, "public", NAME + "_pair", true, true), "INDEX_NAME", "NON_UNIQUE", "COLUMN_NAME", "ORDINAL_POSITION"),
            List.of(List.of(NAME + "_pair_pkey", "f", "b", "1"), List.of(NAME + "_pair_pkey", "f", "a", "2")));
        is(rows(data.getBestRowIdentifier(null, "public", NAME, DatabaseMetaData.bestRowSession, false), "COLUMN_NAME"), List.of(List.of("id")));
        for (ResultSet empty : List.of(data.getImportedKeys(null, "public", NAME), data.getExportedKeys(null, "public", NAME),
                data.getCrossReference(null, "public", NAME, null, "public", NAME + "_pair"), data.getProcedures(null, null, "%"),
                data.getProcedureColumns(null, "public", "%", "%"))) {
            is(rows(empty), List.of());
        }
        is(rows(data.getSchemas(), "TABLE_SCHEM").containsAll(List.of(List.of("public"), List.of("pg_catalog"), List.of("information_schema"))), true);
        is(rows(data.getCatalogs()).size(), 1);
        is(rows(data.getTableTypes()).contains(List.of("MATERIALIZED VIEW")), true);
        is(rows(data.getTypeInfo(), "TYPE_NAME").containsAll(List.of(List.of("int4"), List.of("text"), List.of("timestamptz"))), true);
        is(rows(data.getTablePrivileges(null, "public", NAME), "PRIVILEGE").containsAll(List.of(List.of("SELECT"), List.of("INSERT"))), true);
        is(rows(data.getColumnPrivileges(null, "public", NAME, "id"), "PRIVILEGE").contains(List.of("UPDATE")), true);
        is(rows(data.getFunctions(null, "pg_catalog", "lower"), "FUNCTION_NAME").contains(List.of("lower")), true);
        is(rows(data.getFunctionColumns(null, "pg_catalog", "lower", "%")).isEmpty(), false);
        is(rows(data.getUDTs(null, "public", NAME, null), "TYPE_NAME").size(), 1);
        is(rows(data.getVersionColumns(null, "public", NAME)).isEmpty(), false);
        is(data.getMaxColumnNameLength(), 63);
    }

    static void errors(Connection connection) throws Exception {
        SQLException duplicate = fails("23505", () -> run(connection, "INSERT INTO " + NAME + " (id, small) VALUES (1, 1)"));
        is(((org.postgresql.util.PSQLException) duplicate).getServerErrorMessage().getDetail(), "Key (id)=(1) already exists.");
        fails("42P01", () -> query(connection, "SELECT * FROM nowhere_at_all"));
        fails("42703", () -> query(connection, "SELECT nothing FROM " + NAME));
        fails("42601", () -> query(connection, "SELEC 1"));
        fails("22012", () -> query(connection, "SELECT 1 / ?::int", 0));
        fails("23502", () -> run(connection, "INSERT INTO " + NAME + " (id) VALUES (1000)"));
        fails("22001", () -> run(connection, "UPDATE " + NAME + " SET label = 'longer than it may be there'"));
    }

    static void transactions(Connection connection) throws Exception {
        String count = "SELECT count(*) FROM " + NAME + "_pair";
        connection.setAutoCommit(false);
        run(connection, "INSERT INTO " + NAME + "_pair VALUES (1, 'a')");
        Savepoint savepoint = connection.setSavepoint();
        fails("23505", () -> run(connection, "INSERT INTO " + NAME + "_pair VALUES (1, 'a')"));
        fails("25P02", () -> query(connection, count));
        connection.rollback(savepoint);
        run(connection, "INSERT INTO " + NAME + "_pair VALUES (2, 'a')");
        connection.releaseSavepoint(connection.setSavepoint("named"));
        is(query(connection, count), List.of(List.of("2")));
        connection.rollback();
        is(query(connection, count), List.of(List.of("0")));
        connection.commit();
        connection.setAutoCommit(true);
        connection.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
        is(connection.isValid(5), true);
        is(connection.getSchema(), "public");
        connection.setClientInfo("ApplicationName", "jdbc test");
    }

    static void prepared(Connection connection) throws SQLException {
        try (PreparedStatement insert = connection.prepareStatement("INSERT INTO " + NAME + "_pair VALUES (?, ?) ON CONFLICT (b, a) DO NOTHING", Statement.RETURN_GENERATED_KEYS)) {
            for (int n = 0; n < 12; n++) {
                insert.setInt(1, n % 10);
                insert.setString(2, "p");
                is(insert.executeUpdate(), n < 10 ? 1 : 0);
                is(rows(insert.getGeneratedKeys(), "a").size(), n < 10 ? 1 : 0);
            }
        }
        // The type of a value may change under a statement that the server keeps.
        try (PreparedStatement select = connection.prepareStatement("SELECT b FROM " + NAME + "_pair WHERE a = ?")) {
            for (int n = 0; n < 8; n++) {
                if (n % 2 == 0) select.setInt(1, n); else select.setLong(1, n);
                is(rows(select.executeQuery()), List.of(List.of("p")));
            }
        }
        try (PreparedStatement several = connection.prepareStatement("SELECT 1; UPDATE " + NAME + "_pair SET b = 'q' WHERE a = 3; SELECT 2")) {
            is(several.execute(), true);
            is(several.getMoreResults(), false);
            is(several.getUpdateCount(), 1);
            is(several.getMoreResults(), true);
        }
    }

    static void cursors(Connection connection) throws SQLException {
        connection.setAutoCommit(false);
        try (PreparedStatement insert = connection.prepareStatement("INSERT INTO " + NAME + "_pair SELECT g, 'c' FROM generate_series(100, 1099) AS t (g) WHERE g >= ?")) {
            insert.setInt(1, 100);
            is(insert.executeUpdate(), 1000);
        }
        try (PreparedStatement select = connection.prepareStatement("SELECT a FROM " + NAME + "_pair WHERE b = ? ORDER BY a")) {
            select.setFetchSize(64);
            select.setString(1, "c");
            try (ResultSet result = select.executeQuery()) {
                int next = 100;
                while (result.next()) is(result.getInt(1), next++);
                is(next, 1100);
            }
            select.setMaxRows(10);
            is(rows(select.executeQuery()).size(), 10);
        }
        connection.rollback();
        connection.setAutoCommit(true);
    }

    static void batches(boolean rewritten) throws Exception {
        try (Connection connection = open("&reWriteBatchedInserts=" + rewritten)) {
            run(connection, "DELETE FROM " + NAME + "_pair");
            connection.setAutoCommit(false);
            try (PreparedStatement insert = connection.prepareStatement("INSERT INTO " + NAME + "_pair (a, b) VALUES (?, ?)")) {
                for (int n = 0; n < 1001; n++) {
                    insert.setInt(1, n);
                    insert.setString(2, "b");
                    insert.addBatch();
                }
                int[] counts = insert.executeBatch();
                is(counts.length, 1001);
                is(Arrays.stream(counts).allMatch(count -> count == (rewritten ? Statement.SUCCESS_NO_INFO : 1) || count == 1), true);
                connection.commit();
                insert.setInt(1, 5000);
                insert.setString(2, "b");
                insert.addBatch();
                insert.setInt(1, 5);
                insert.addBatch();
                fails("23505", insert::executeBatch);
                connection.rollback();
            }
            try (Statement statement = connection.createStatement()) {
                statement.addBatch("UPDATE " + NAME + "_pair SET b = 'u' WHERE a < 10");
                statement.addBatch("DELETE FROM " + NAME + "_pair WHERE a = 1000");
                is(Arrays.toString(statement.executeBatch()), "[10, 1]");
            }
            connection.commit();
            is(query(connection, "SELECT count(*) FROM " + NAME + "_pair"), List.of(List.of("1000")));
        }
    }

    static void copies(Connection connection) throws Exception {
        CopyManager copies = connection.unwrap(PGConnection.class).getCopyAPI();
        StringBuilder lines = new StringBuilder();
        for (int n = 2000; n < 4000; n++) lines.append(n).append(",\"line, ").append(n).append("\"\n");
        is(copies.copyIn("COPY " + NAME + "_pair (a, b) FROM STDIN WITH (FORMAT csv)", new StringReader(lines.toString())), 2000L);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        is(copies.copyOut("COPY (SELECT a, b FROM " + NAME + "_pair WHERE a >= 2000 ORDER BY a) TO STDOUT WITH CSV", out), 2000L);
        is(out.toString(StandardCharsets.UTF_8), lines.toString());
        fails("22P02", () -> copies.copyIn("COPY " + NAME + "_pair FROM STDIN", new StringReader("x\ty\n")));
        // Given up in its midst, nothing of it stays.
        var copy = copies.copyIn("COPY " + NAME + "_pair FROM STDIN");
        copy.writeToCopy("9999\tgiven up\n".getBytes(StandardCharsets.UTF_8), 0, 14);
        copy.cancelCopy();
        is(query(connection, "SELECT * FROM " + NAME + "_pair WHERE a = 9999"), List.of());
        is(connection.isValid(5), true);
    }

    static void cancelled(Connection connection) throws Exception {
        String endless = "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b";
        try (Statement statement = connection.createStatement()) {
            Thread other = new Thread(() -> {
                try {
                    Thread.sleep(200);
                    statement.cancel();
                } catch (Exception error) {
                    throw new RuntimeException(error);
                }
            });
            other.start();
            fails("57014", () -> statement.executeQuery(endless));
            other.join();
            statement.setQueryTimeout(1);
            fails("57014", () -> statement.executeQuery(endless));
        }
        is(connection.isValid(5), true);
    }

    /** A grid that writes back what is typed into it. */
    static void editable(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE);
             ResultSet row = statement.executeQuery("SELECT id, small, whole, label FROM " + NAME + " WHERE id <= 2 ORDER BY id")) {
            is(row.last(), true);
            is(row.getRow(), 2);
            row.deleteRow();
            row.first();
            is(row.getLong(1), 1L);
            ResultSetMetaData told = row.getMetaData();
            is(told.getColumnTypeName(4), "varchar");
            is(told.getPrecision(4), 20);
            is(told.getTableName(4), NAME);
            is(told.isNullable(1), ResultSetMetaData.columnNoNulls);
            is(told.isNullable(4), ResultSetMetaData.columnNullable);
            row.updateString("label", "edited");
            row.updateInt("whole", 11);
            row.updateRow();
            is(row.getString(4), "edited");
            row.moveToInsertRow();
            row.updateLong("id", 2);
            row.updateShort("small", (short) 3);
            row.updateString("label", "new");
            row.insertRow();
        }
        is(query(connection, "SELECT id, whole, label FROM " + NAME + " WHERE id IN (1, 2) ORDER BY id"), List.of(List.of("1", "11", "edited"), List.of("2", "5", "new")));
        run(connection, "DELETE FROM " + NAME + " WHERE id = 2");
    }

    /** What Metabase asks when it gets to know a database, and how it looks into one. */
    static void metabase(Connection connection) throws SQLException {
        connection.setReadOnly(false);
        is(query(connection, "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'").contains(List.of("public")), true);
        // Which tables and views there are, how large they are, and whether they may be read.
        List<List<String>> tables = query(connection,
            "SELECT n.nspname AS schema, c.relname AS name, CASE c.relkind WHEN 'r' THEN 'TABLE' WHEN 'p' THEN 'PARTITIONED TABLE' WHEN 'v' THEN 'VIEW' "
            + "WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE NULL END AS type, d.description, stat.n_live_tup AS estimated_row_count "
            + "FROM pg_catalog.pg_class c INNER JOIN pg_catalog.pg_namespace n ON c.relnamespace = n.oid "
            + "LEFT JOIN pg_catalog.pg_description d ON c.oid = d.objoid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass "
            + "LEFT JOIN pg_stat_user_tables stat ON n.nspname = stat.schemaname AND c.relname = stat.relname "
            + "WHERE c.relnamespace = n.oid AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind IN ('r', 'p', 'v', 'f', 'm') "
            + "AND n.nspname IN ('public') ORDER BY type, schema, name");
        is(tables.stream().filter(row -> row.get(1).startsWith(NAME)).map(row -> row.get(1) + " " + row.get(2)).toList(),
            List.of(NAME + "_sums MATERIALIZED VIEW", NAME + " TABLE", NAME + "_pair TABLE"));
        List<List<String>> rights = query(connection,
            "WITH table_privileges AS (SELECT NULL AS role, t.schemaname AS schema, t.objectname AS table, "
            + "pg_catalog.has_any_column_privilege(current_user, '\"' || replace(t.schemaname, '\"', '\"\"') || '\".\"' || replace(t.objectname, '\"', '\"\"') || '\"', 'select') AS \"select\", "
            + "pg_catalog.has_table_privilege(current_user, '\"' || replace(t.schemaname, '\"', '\"\"') || '\".\"' || replace(t.objectname, '\"', '\"\"') || '\"', 'delete') AS \"delete\" "
            + "FROM (SELECT schemaname, tablename AS objectname FROM pg_catalog.pg_tables UNION SELECT schemaname, viewname AS objectname FROM pg_views "
            + "UNION SELECT schemaname, matviewname AS objectname FROM pg_matviews) t WHERE t.schemaname !~ '^pg_' AND t.schemaname <> 'information_schema' "
            + "AND pg_catalog.has_schema_privilege(current_user, t.schemaname, 'usage')) SELECT t.* FROM table_privileges t WHERE t.\"select\" OR t.\"delete\"");
        is(rights.stream().filter(row -> row.get(2).startsWith(NAME)).count(), 3L);
        // The fields of all of them in one answer.
        List<List<String>> fields = query(connection,
            "SELECT c.column_name AS name, CASE WHEN c.udt_schema IN ('public', 'pg_catalog') THEN format('%s', c.udt_name) ELSE format('\"%s\".\"%s\"', c.udt_schema, c.udt_name) END AS \"database-type\", "
            + "c.ordinal_position - 1 AS \"database-position\", c.table_schema AS \"table-schema\", c.table_name AS \"table-name\", pk.column_name IS NOT NULL AS \"pk?\", "
            + "col_description(CAST(CAST(format('%I.%I', CAST(c.table_schema AS text), CAST(c.table_name AS text)) AS regclass) AS oid), c.ordinal_position) AS \"field-comment\", "
            + "((column_default IS NULL) OR (LOWER(column_default) = 'null')) AND (is_nullable = 'NO') AND NOT (((column_default IS NOT NULL) AND (column_default LIKE '%nextval(%')) OR (is_identity <> 'NO')) AS \"database-required\" "
            + "FROM information_schema.columns AS c LEFT JOIN (SELECT tc.table_schema, tc.table_name, kc.column_name FROM information_schema.table_constraints AS tc "
            + "INNER JOIN information_schema.key_column_usage AS kc ON tc.constraint_name = kc.constraint_name AND tc.table_schema = kc.table_schema AND tc.table_name = kc.table_name "
            + "WHERE tc.constraint_type = 'PRIMARY KEY') AS pk ON c.table_schema = pk.table_schema AND c.table_name = pk.table_name AND c.column_name = pk.column_name "
            + "WHERE c.table_schema !~ '^information_schema|catalog_history|pg_' AND c.table_name IN (?) ORDER BY \"table-schema\", \"table-name\", \"database-position\"", NAME);
        is(fields.size(), 14);
        is(fields.get(0), Arrays.asList("id", "int8", "0", "public", NAME, "t", null, "t"));
        is(query(connection,
            "SELECT fk_ns.nspname, fk_table.relname, fk_column.attname, pk_ns.nspname, pk_table.relname, pk_column.attname FROM pg_constraint AS c "
            + "JOIN pg_class AS fk_table ON c.conrelid = fk_table.oid JOIN pg_namespace AS fk_ns ON c.connamespace = fk_ns.oid "
            + "JOIN pg_attribute AS fk_column ON c.conrelid = fk_column.attrelid JOIN pg_class AS pk_table ON c.confrelid = pk_table.oid "
            + "JOIN pg_namespace AS pk_ns ON pk_table.relnamespace = pk_ns.oid JOIN pg_attribute AS pk_column ON c.confrelid = pk_column.attrelid "
            + "WHERE fk_ns.nspname !~ '^information_schema|catalog_history|pg_' AND c.contype = 'f'::char AND fk_column.attnum = ANY(c.conkey) AND pk_column.attnum = ANY(c.confkey) "
            + "ORDER BY 1, 2"), List.of());
        is(query(connection,
            "SELECT tmp.table_schema, tmp.table_name, trim(both '\"' from pg_catalog.pg_get_indexdef(tmp.ci_oid, tmp.pos, false)) AS field_name FROM ("
            + "SELECT n.nspname AS table_schema, ct.relname AS table_name, ci.oid AS ci_oid, (information_schema._pg_expandarray(i.indkey)).n AS pos "
            + "FROM pg_catalog.pg_class ct JOIN pg_catalog.pg_namespace n ON ct.relnamespace = n.oid JOIN pg_catalog.pg_index i ON ct.oid = i.indrelid "
            + "JOIN pg_catalog.pg_class ci ON ci.oid = i.indexrelid WHERE pg_catalog.pg_get_expr(i.indpred, i.indrelid) IS NULL AND n.nspname !~ '^information_schema|pg_') tmp "
            + "WHERE tmp.pos = 1 AND tmp.table_name = ?", NAME), List.of(List.of("public", NAME, "id")));
        is(query(connection, "SELECT nspname, typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid IN (SELECT DISTINCT enumtypid FROM pg_enum e)"), List.of());
        is(query(connection, "SELECT substring(\"public\".\"" + NAME + "\".\"label\", 1, 1234) AS \"substring1\" FROM \"public\".\"" + NAME + "\" LIMIT 3").size(), 3);
        is(query(connection, "SELECT count(distinct \"public\".\"" + NAME + "\".\"label\") AS \"count\" FROM \"public\".\"" + NAME + "\""), List.of(List.of("2")));
        is(query(connection, "SHOW TIMEZONE").size(), 1);
        // A question: months and a total.
        is(query(connection,
            "SELECT CAST(DATE_TRUNC('month', \"source\".\"plain\") AS DATE) AS \"plain\", COUNT(*) AS \"count\" FROM (SELECT \"public\".\"" + NAME + "\".\"plain\" AS \"plain\" FROM \"public\".\"" + NAME + "\" "
            + "WHERE \"public\".\"" + NAME + "\".\"plain\" IS NOT NULL) AS \"source\" GROUP BY CAST(DATE_TRUNC('month', \"source\".\"plain\") AS DATE) "
            + "ORDER BY CAST(DATE_TRUNC('month', \"source\".\"plain\") AS DATE) ASC"), List.of(List.of("1999-12-01", "7")));
    }

    /** The simple protocol, as poolers want it. */
    static void simple() throws SQLException {
        try (Connection connection = open("&preferQueryMode=simple")) {
            is(query(connection, "SELECT ?::int + 1, ?::text", 41, "it's"), List.of(List.of("42", "it's")));
            is(query(connection, "SELECT small FROM " + NAME + " WHERE id = ?", 3), List.of(List.of("7")));
        }
    }
}
