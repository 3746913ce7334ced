/* SPDX-License-Identifier: Apache-2.0 */
/* memstore in front of SQLite. */
#define _POSIX_C_SOURCE 200809L /* mkdtemp() */
#include "database.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/memstore-sqlite-XXXXXX";
static char file[64], away[64];

/* One connection, which is opened when it is first needed. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sqlite3 *connection;

static bool is_connected(int flags)
{
    if (connection == NULL && sqlite3_open_v2(file, &connection, flags, NULL) != SQLITE_OK) {
        sqlite3_close(connection);
        connection = NULL;
    }
    return connection != NULL;
}

static void disconnect(void)
{
    sqlite3_close(connection);
    connection = NULL;
}

static bool create(int count)
{
    char statement[320];

    if (mkdtemp(folder) == NULL)
        return false;
    snprintf(file, sizeof file, "%s/rows.db", folder);
    snprintf(away, sizeof away, "%s/rows.db.away", folder);
    snprintf(statement, sizeof statement,
             "CREATE TABLE rows (key TEXT PRIMARY KEY, value TEXT);"
             "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
             "INSERT INTO rows SELECT 'row/' || i, 'row/' || i || ' of SQLite' FROM n",
             count - 1);
    return is_connected(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) &&
           sqlite3_exec(connection, statement, NULL, NULL, NULL) == SQLITE_OK;
}

static enum found query(const char *key, size_t key_size, char row[ROW_SIZE])
{
    sqlite3_stmt *statement;
    enum found found = UNREACHABLE;

    if (!is_connected(SQLITE_OPEN_READONLY) ||
        sqlite3_prepare_v2(connection, "SELECT value FROM rows WHERE key = ?", -1, &statement,
                           NULL) != SQLITE_OK)
        return UNREACHABLE;
    sqlite3_bind_text(statement, 1, key, (int)key_size, SQLITE_STATIC);
    const int step = sqlite3_step(statement);
    if (step == SQLITE_ROW) {
        snprintf(row, ROW_SIZE, "%s", (const char *)sqlite3_column_text(statement, 0));
        found = FOUND;
    } else if (step == SQLITE_DONE) {
        found = NOT_THERE;
    }
    sqlite3_finalize(statement);
    return found;
}

static enum found find(const char *key, size_t key_size, char row[ROW_SIZE])
{
    pthread_mutex_lock(&lock);
    const enum found found = query(key, key_size, row);
    pthread_mutex_unlock(&lock);
    return found;
}

static void cut(void)
{
    pthread_mutex_lock(&lock);
    disconnect();
    rename(file, away);
    pthread_mutex_unlock(&lock);
}

static void mend(void)
{
    rename(away, file);
}

static void destroy(void)
{
    disconnect();
    remove(file);
    rmdir(folder);
}

int main(void)
{
    static const struct database sqlite = {"SQLite", create, find, cut, mend, destroy};

    return tell(&sqlite);
}
