/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on several keys, each one crossing and one call of the library. */
#include "operands.h"

#include <dlfcn.h>

/* ---- Results --------------------------------------------------------------------------------- */

/* Dicts that need not grow: filling one with 100 keys takes 15 ns a key less. CPython has exported the
 * function at all times, but promises it to nobody, so that it is looked for, and done without. */
static PyObject *(*new_presized_dict)(Py_ssize_t size);

void ms_py_many_init(void)
{
    *(void **)&new_presized_dict = dlsym(RTLD_DEFAULT, "_PyDict_NewPresized");
}

static PyObject *new_dict(size_t size)
{
    return new_presized_dict != NULL ? new_presized_dict((Py_ssize_t)size) : PyDict_New();
}

/* Whether results have this key as it is. Most are of the exact types, which no call is needed to see. */
static bool is_text_or_bytes(PyObject *key)
{
    return PyUnicode_CheckExact(key) || PyBytes_CheckExact(key) || PyUnicode_Check(key) ||
           PyBytes_Check(key);
}

/* The i-th key as it stands in a resulting dict: as given, but arrays and mutable buffers as bytes. */
static PyObject *result_key(const struct ms_py_operands *operands, size_t i)
{
    PyObject *given = operands->held != 0 ? operands->objects[i] : NULL;

    if (given == NULL || !is_text_or_bytes(given))
        return PyBytes_FromStringAndSize(operands->keys[i].data,
                                         (Py_ssize_t)operands->keys[i].size);
    Py_INCREF(given);
    return given;
}

/* Put an item into a dict; takes over the reference to value, which may be NULL after a failure. */
static int add_result(PyObject *dict, const struct ms_py_operands *operands, size_t i,
                      PyObject *value)
{
    PyObject *key = value != NULL ? result_key(operands, i) : NULL;
    const int failed = key == NULL ? -1 : PyDict_SetItem(dict, key, value);

    Py_XDECREF(key);
    Py_XDECREF(value);
    return failed;
}

/* ---- get_many -------------------------------------------------------------------------------- */

/* A get_many() on its way. */
struct reading {
    const struct ms_py_operands *operands;
    PyObject *dict;
};

static size_t count_found(const memstore_view *views, size_t n)
{
    size_t found = 0;

    for (size_t i = 0; i < n; i++)
        found += views[i].data != NULL;
    return found;
}

/* With all values pinned. The GIL is held from here on: what is left to do takes less time than giving
 * it away again. */
static void make_dict(const memstore_view *views, size_t n, void *context)
{
    struct reading *reading = context;

    ms_py_call_ends();
    reading->dict = new_dict(count_found(views, n));
    for (size_t i = 0; reading->dict != NULL && i < n; i++) {
        if (views[i].data != NULL &&
            add_result(reading->dict, reading->operands, i, ms_py_bytes_of_view(&views[i])) != 0)
            Py_CLEAR(reading->dict);
    }
}

PyObject *ms_py_get_many(PyObject *self, PyObject *keys)
{
    _Alignas(max_align_t) char stack[MS_PY_ROOM_KEYS * MS_PY_KEY_ROOM];
    struct ms_py_operands operands;
    struct reading reading = {.operands = &operands};
    int status;
    memstore *store = ms_py_handle_store(self);

    if (store == NULL || ms_py_take_keys(&operands, "get_many", keys, stack) != 0)
        return NULL;
    ms_py_call_begins(operands.count >= MS_PY_LARGE_BATCH);
    status = memstore_read_many(store, operands.keys, operands.count, make_dict, &reading);
    ms_py_call_ends();
    ms_py_drop_operands(&operands);
    return status == MEMSTORE_OK ? reading.dict : ms_py_raise(status, NULL);
}

/* ---- has_many, delete_many ------------------------------------------------------------------- */

static PyObject *dict_of_flags(const struct ms_py_operands *operands)
{
    PyObject *dict = new_dict(operands->count);

    for (size_t i = 0; dict != NULL && i < operands->count; i++)
        if (add_result(dict, operands, i, PyBool_FromLong(operands->flags[i])) != 0)
            Py_CLEAR(dict);
    return dict;
}

PyObject *ms_py_has_many(PyObject *self, PyObject *keys)
{
    _Alignas(max_align_t) char stack[MS_PY_ROOM_KEYS * MS_PY_KEY_ROOM];
    struct ms_py_operands operands;
    PyObject *dict;
    int status;
    memstore *store = ms_py_handle_store(self);

    if (store == NULL || ms_py_take_keys(&operands, "has_many", keys, stack) != 0)
        return NULL;
    ms_py_call_begins(operands.count >= MS_PY_LARGE_BATCH);
    status = memstore_has_many(store, operands.keys, operands.count, operands.flags, NULL);
    ms_py_call_ends();
    dict = status < 0 ? ms_py_raise(status, NULL) : dict_of_flags(&operands);
    ms_py_drop_operands(&operands);
    return dict;
}

PyObject *ms_py_delete_many(PyObject *self, PyObject *keys)
{
    _Alignas(max_align_t) char stack[MS_PY_ROOM_KEYS * MS_PY_KEY_ROOM];
    struct ms_py_operands operands;
    struct ms_py_write write = {0};
    size_t deleted = 0;
    int status;
    memstore *store = ms_py_handle_store(self);

    if (store == NULL || ms_py_take_keys(&operands, "delete_many", keys, stack) != 0)
        return NULL;
    /* Always without the GIL: the call may wait for the shards that other threads write to. */
    do {
        ms_py_write_begins(&write, true);
        status = memstore_delete_many(store, operands.keys, operands.count, &deleted);
    } while (!ms_py_write_ends(&write, status));
    ms_py_drop_operands(&operands);
    return status < 0 ? ms_py_raise(status, NULL) : PyLong_FromSize_t(deleted);
}

/* ---- set_many -------------------------------------------------------------------------------- */

/* The library does not tell which entry it was, or whether it was all of them together. */
static PyObject *raise_too_large(const struct ms_py_operands *operands)
{
    const memstore_entry *largest = operands->entries;
    PyObject *const class = ms_py_class_of(MEMSTORE_ERR_ENTRY_TOO_LARGE);

    for (size_t i = 1; i < operands->count; i++) {
        const memstore_entry *const entry = &operands->entries[i];

        if (entry->key.size + entry->value_size > largest->key.size + largest->value_size)
            largest = entry;
    }
    PyObject *key = PyBytes_FromStringAndSize(largest->key.data, (Py_ssize_t)largest->key.size);
    if (key != NULL && class != NULL)
        PyErr_Format(class,
                     "an entry is above max_entry_size or could never fit the memory limit, or all "
                     "together could not (the largest has the key %.200R)",
                     key);
    Py_XDECREF(key);
    return NULL;
}

PyObject *ms_py_set_many(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    static const char *const names[] = {"items", "ttl", "values"};
    _Alignas(max_align_t) char stack[MS_PY_ROOM_KEYS * MS_PY_ENTRY_ROOM];
    struct ms_py_operands operands;
    struct ms_py_write write = {0};
    PyObject *given[3];
    int64_t ttl_ms;
    int status;
    memstore *store = ms_py_handle_store(self);

    if (store == NULL ||
        ms_py_arguments("set_many", args, count, kwnames, names, 1, 3, given) != 0 ||
        ms_py_write_ttl(given[1], &ttl_ms) != 0)
        return NULL;
    if (given[2] == Py_None)
        given[2] = NULL;
    if (ms_py_take_entries(&operands, given[0], given[2], ttl_ms, stack) != 0)
        return NULL;
    /* Always without the GIL: the call may wait for the shards that other threads write to. */
    do {
        ms_py_write_begins(&write, true);
        status = memstore_set_many(store, operands.entries, operands.count);
    } while (!ms_py_write_ends(&write, status));
    if (status == MEMSTORE_ERR_ENTRY_TOO_LARGE)
        raise_too_large(&operands);
    else if (status < 0)
        ms_py_raise(status, NULL);
    ms_py_drop_operands(&operands);
    if (status < 0)
        return NULL;
    Py_RETURN_NONE;
}
