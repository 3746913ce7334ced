/* SPDX-License-Identifier: Apache-2.0 */
/* memstore in front of LMDB. */
#define _POSIX_C_SOURCE 200809L /* mkdtemp() */
#include "database.h"

#include <lmdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/memstore-lmdb-XXXXXX";
static char file[64], lock_file[80], away[64];

/* The environment, which is opened when it is first needed. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static MDB_env *environment;
static MDB_dbi rows;

/* Within a transaction, which the caller ends. */
static bool begin(unsigned flags, MDB_txn **transaction)
{
    if (environment == NULL) {
        if (mdb_env_create(&environment) != 0)
            return false;
        if (mdb_env_open(environment, file, MDB_NOSUBDIR | flags, 0600) != 0) {
            mdb_env_close(environment);
            environment = NULL;
            return false;
        }
    }
    if (mdb_txn_begin(environment, NULL, flags, transaction) != 0)
        return false;
    if (mdb_dbi_open(*transaction, NULL, 0, &rows) == 0)
        return true;
    mdb_txn_abort(*transaction);
    return false;
}

static void disconnect(void)
{
    if (environment != NULL)
        mdb_env_close(environment);
    environment = NULL;
}

static bool create(int count)
{
    MDB_txn *transaction;
    bool stored = true;

    if (mkdtemp(folder) == NULL)
        return false;
    snprintf(file, sizeof file, "%s/rows", folder);
    snprintf(lock_file, sizeof lock_file, "%s-lock", file);
    snprintf(away, sizeof away, "%s/rows.away", folder);
    if (!begin(0, &transaction))
        return false;
    for (int i = 0; i < count && stored; i++) {
        char key[32], row[ROW_SIZE];
        MDB_val k = {(size_t)snprintf(key, sizeof key, "row/%d", i), key};
        MDB_val v = {(size_t)snprintf(row, sizeof row, "row/%d of LMDB", i) + 1, row};

        stored = mdb_put(transaction, rows, &k, &v, 0) == 0;
    }
    stored = mdb_txn_commit(transaction) == 0 && stored;
    disconnect();
    return stored;
}

static enum found query(const char *key, size_t key_size, char row[ROW_SIZE])
{
    MDB_txn *transaction;
    MDB_val k = {key_size, (void *)key}, v;

    if (!begin(MDB_RDONLY, &transaction))
        return UNREACHABLE;
    const int status = mdb_get(transaction, rows, &k, &v);
    if (status == 0)
        snprintf(row, ROW_SIZE, "%s", (const char *)v.mv_data);
    mdb_txn_abort(transaction);
    if (status != 0)
        return status == MDB_NOTFOUND ? NOT_THERE : UNREACHABLE;
    return FOUND;
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
    remove(lock_file);
    rmdir(folder);
}

int main(void)
{
    static const struct database lmdb = {"LMDB", create, find, cut, mend, destroy};

    return tell(&lmdb);
}
