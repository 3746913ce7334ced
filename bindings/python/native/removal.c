/* SPDX-License-Identifier: Apache-2.0 */
/* The removal of an entry on a condition. */
#include "native.h"

/* Remove the entry if it has the version: a batch of the condition and the removal. */
static int remove_version(memstore *store, const struct ms_py_bytes *key, uint64_t version)
{
    memstore_batch *batch = memstore_batch_new(store);
    int status = MEMSTORE_ERR_MEMORY_EXHAUSTED;

    if (batch != NULL)
        status = memstore_batch_expect_version(batch, key->data, key->size, version);
    if (status == MEMSTORE_OK)
        status = memstore_batch_delete(batch, key->data, key->size);
    if (status == MEMSTORE_OK)
        status = memstore_batch_commit(batch);
    memstore_batch_free(batch);
    return status;
}

PyObject *ms_py_compare_and_delete(PyObject *self, PyObject *const *args, Py_ssize_t count,
                                   PyObject *kwnames)
{
    static const char *const names[] = {"key", "version"};
    PyObject *given[2];
    struct ms_py_bytes key;
    struct ms_py_write write = {0};
    uint64_t version;
    int status;
    memstore *store = ms_py_handle_store(self);

    if (store == NULL ||
        ms_py_arguments("compare_and_delete", args, count, kwnames, names, 2, 2, given) != 0 ||
        ms_py_version(given[1], &version) != 0 || ms_py_borrow_key(given[0], &key) != 0)
        return NULL;
    do {
        ms_py_write_begins(&write, false);
        status = remove_version(store, &key, version);
    } while (!ms_py_write_ends(&write, status));
    ms_py_bytes_release(&key);
    if (status != MEMSTORE_OK && status != MEMSTORE_ERR_VERSION_MISMATCH)
        return ms_py_raise(status, given[0]);
    /* Version 0 expects that there is none: then nothing was removed. */
    return PyBool_FromLong(status == MEMSTORE_OK && version != 0);
}
