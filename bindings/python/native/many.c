/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on several keys, each one crossing and one call of the library. */
#include "native.h"

#include <string.h>

/* Keys (and values) taken from Python objects, in arrays as the library wants them. Batches of
 * up to INLINE_KEYS stay on the stack. */
enum { INLINE_KEYS = 32 };

struct operands {
    PyObject *objects; /* a tuple that owns the keys, or keys and values by turns */
    size_t count;      /* keys */
    size_t exports;    /* buffers held, at `buffers` */
    Py_buffer *buffers;
    void *block; /* heap memory of the arrays, or NULL */
};

static int hold_export(struct operands *operands, struct ms_py_bytes *bytes)
{
    if (!bytes->exported)
        return 0;
    if (operands->buffers == NULL) {
        operands->buffers = PyMem_Calloc(2 * operands->count, sizeof(Py_buffer));
        if (operands->buffers == NULL) {
            ms_py_bytes_release(bytes);
            PyErr_NoMemory();
            return -1;
        }
    }
    operands->buffers[operands->exports++] = bytes->buffer;
    return 0;
}

static void drop_operands(struct operands *operands)
{
    for (size_t i = 0; i < operands->exports; i++)
        PyBuffer_Release(&operands->buffers[i]);
    PyMem_Free(operands->buffers);
    PyMem_Free(operands->block);
    Py_XDECREF(operands->objects);
}

/* `size` bytes for the arrays: `inline_block` if it is big enough for this many keys, else heap
 * memory. */
static void *make_room(struct operands *operands, void *inline_block, size_t size)
{
    if (operands->count <= INLINE_KEYS)
        return inline_block;
    operands->block = PyMem_Malloc(size);
    if (operands->block == NULL)
        PyErr_NoMemory();
    return operands->block;
}

/* ---- Keys ------------------------------------------------------------------------------------ */

static int take_objects(struct operands *operands, const char *function, PyObject *keys)
{
    memset(operands, 0, sizeof(*operands));
    /* A str is an iterable of keys too, but hardly ever the one that was meant. */
    if (PyUnicode_Check(keys) || PyBytes_Check(keys)) {
        PyErr_Format(PyExc_TypeError, "%s() takes an iterable of keys, not one key", function);
        return -1;
    }
    /* A tuple of its own, since a list could change while buffers are asked for or the GIL is
     * released. */
    operands->objects = PySequence_Tuple(keys);
    if (operands->objects == NULL)
        return -1;
    operands->count = (size_t)PyTuple_Size(operands->objects);
    return 0;
}

static int fill_keys(struct operands *operands, memstore_key *keys)
{
    for (size_t i = 0; i < operands->count; i++) {
        struct ms_py_bytes bytes;

        if (ms_py_borrow_key(PyTuple_GetItem(operands->objects, (Py_ssize_t)i), &bytes) != 0 ||
            hold_export(operands, &bytes) != 0)
            return -1;
        keys[i].data = bytes.data;
        keys[i].size = bytes.size;
    }
    return 0;
}

/* The i-th key as it stands in a resulting dict: as given, but mutable buffers as bytes. */
static PyObject *result_key(const struct operands *operands, const memstore_key *keys, size_t i)
{
    PyObject *given = PyTuple_GetItem(operands->objects, (Py_ssize_t)i);

    if (!PyUnicode_Check(given) && !PyBytes_Check(given))
        return PyBytes_FromStringAndSize(keys[i].data, (Py_ssize_t)keys[i].size);
    Py_INCREF(given);
    return given;
}

/* Put an item into a dict; takes over the reference to value, which may be NULL after a failure. */
static int add_result(PyObject *dict, const struct operands *operands, const memstore_key *keys,
                      size_t i, PyObject *value)
{
    PyObject *key = value != NULL ? result_key(operands, keys, i) : NULL;
    const int failed = key == NULL ? -1 : PyDict_SetItem(dict, key, value);

    Py_XDECREF(key);
    Py_XDECREF(value);
    return failed;
}

/* ---- get_many -------------------------------------------------------------------------------- */

/* A get_many() on its way. */
struct reading {
    struct operands *operands;
    const memstore_key *keys;
    PyThreadState *released; /* when the GIL is */
    PyObject *dict;
};

/* With all values pinned, and the GIL held again. */
static void make_dict(const memstore_view *views, size_t n, void *context)
{
    struct reading *reading = context;

    if (reading->released != NULL)
        PyEval_RestoreThread(reading->released);
    reading->dict = PyDict_New();
    for (size_t i = 0; reading->dict != NULL && i < n; i++) {
        if (views[i].data != NULL && add_result(reading->dict, reading->operands, reading->keys, i,
                                                ms_py_bytes_of_view(&views[i])) != 0)
            Py_CLEAR(reading->dict);
    }
    if (reading->released != NULL)
        reading->released = PyEval_SaveThread();
}

static PyObject *get_operands(memstore *store, struct operands *operands, memstore_key *keys)
{
    struct reading reading = {.operands = operands, .keys = keys};
    int status;

    if (fill_keys(operands, keys) != 0)
        return NULL;
    if (operands->count >= MS_PY_LARGE_BATCH)
        reading.released = PyEval_SaveThread();
    status = memstore_read_many(store, keys, operands->count, make_dict, &reading);
    if (reading.released != NULL)
        PyEval_RestoreThread(reading.released);
    return status == MEMSTORE_OK ? reading.dict : ms_py_raise(status, NULL);
}

PyObject *ms_py_get_many(PyObject *self, PyObject *keys)
{
    struct operands operands;
    memstore_key inline_keys[INLINE_KEYS], *array;
    PyObject *dict = NULL;
    memstore *store = ms_py_handle_store(self);

    if (store == NULL || take_objects(&operands, "get_many", keys) != 0)
        return NULL;
    array = make_room(&operands, inline_keys, operands.count * sizeof(memstore_key));
    if (array != NULL)
        dict = get_operands(store, &operands, array);
    drop_operands(&operands);
    return dict;
}

/* ---- has_many, delete_many ------------------------------------------------------------------- */

struct has_room {
    memstore_key keys[INLINE_KEYS];
    unsigned char present[INLINE_KEYS];
};

static PyObject *dict_of_flags(const struct operands *operands, const memstore_key *keys,
                               const unsigned char *present)
{
    PyObject *dict = PyDict_New();

    for (size_t i = 0; dict != NULL && i < operands->count; i++)
        if (add_result(dict, operands, keys, i, PyBool_FromLong(present[i])) != 0)
            Py_CLEAR(dict);
    return dict;
}

static PyObject *probe_operands(memstore *store, struct operands *operands, memstore_key *keys,
                                unsigned char *present)
{
    int status;

    if (fill_keys(operands, keys) != 0)
        return NULL;
    if (operands->count < MS_PY_LARGE_BATCH) {
        status = memstore_has_many(store, keys, operands->count, present, NULL);
    } else {
        Py_BEGIN_ALLOW_THREADS status =
            memstore_has_many(store, keys, operands->count, present, NULL);
        Py_END_ALLOW_THREADS
    }
    return status < 0 ? ms_py_raise(status, NULL) : dict_of_flags(operands, keys, present);
}

PyObject *ms_py_has_many(PyObject *self, PyObject *keys)
{
    struct operands operands;
    struct has_room inline_room;
    memstore_key *array;
    PyObject *dict = NULL;
    memstore *store = ms_py_handle_store(self);

    if (store == NULL || take_objects(&operands, "has_many", keys) != 0)
        return NULL;
    array = make_room(&operands, &inline_room, operands.count * (sizeof(memstore_key) + 1));
    if (array != NULL)
        dict =
            probe_operands(store, &operands, array,
                           array == inline_room.keys ? inline_room.present
                                                     : (unsigned char *)(array + operands.count));
    drop_operands(&operands);
    return dict;
}

PyObject *ms_py_delete_many(PyObject *self, PyObject *keys)
{
    struct operands operands;
    memstore_key inline_keys[INLINE_KEYS], *array;
    size_t deleted = 0;
    int status = MEMSTORE_OK;
    PyObject *result = NULL;
    memstore *store = ms_py_handle_store(self);

    if (store == NULL || take_objects(&operands, "delete_many", keys) != 0)
        return NULL;
    array = make_room(&operands, inline_keys, operands.count * sizeof(memstore_key));
    if (array != NULL && fill_keys(&operands, array) == 0) {
        /* Always without the GIL: the call may wait for the shards that other threads write to. */
        Py_BEGIN_ALLOW_THREADS status =
            memstore_delete_many(store, array, operands.count, &deleted);
        Py_END_ALLOW_THREADS result =
            status < 0 ? ms_py_raise(status, NULL) : PyLong_FromSize_t(deleted);
    }
    drop_operands(&operands);
    return result;
}

/* ---- set_many -------------------------------------------------------------------------------- */

/* One item of a set_many(): a pair, or an exception if it is none. */
static PyObject *pair_of(PyObject *item)
{
    PyObject *pair;

    if (PyUnicode_Check(item) || PyBytes_Check(item)) {
        PyErr_SetString(PyExc_TypeError,
                        "set_many() takes a mapping or an iterable of (key, value) pairs");
        return NULL;
    }
    pair = PySequence_Tuple(item);
    if (pair != NULL && PyTuple_Size(pair) != 2) {
        PyErr_Format(PyExc_ValueError,
                     "an item of set_many() is a (key, value) pair, not %zd values",
                     PyTuple_Size(pair));
        Py_CLEAR(pair);
    }
    return pair;
}

/* A tuple of pairs, each a tuple of its own that only we refer to or that cannot change. */
static PyObject *tuple_of_pairs(PyObject *items)
{
    const bool mapping = PyDict_Check(items) || PyObject_HasAttrString(items, "keys");
    PyObject *list = mapping ? PyMapping_Items(items) : PySequence_List(items);
    PyObject *pairs;

    for (Py_ssize_t i = 0; list != NULL && i < PyList_Size(list); i++) {
        PyObject *pair = pair_of(PyList_GetItem(list, i));

        if (pair == NULL)
            Py_CLEAR(list);
        else
            PyList_SetItem(list, i, pair);
    }
    pairs = list != NULL ? PyList_AsTuple(list) : NULL;
    Py_XDECREF(list);
    return pairs;
}

static int fill_entries(struct operands *operands, memstore_entry *entries, int64_t ttl_ms,
                        size_t *total)
{
    for (size_t i = 0; i < operands->count; i++) {
        PyObject *pair = PyTuple_GetItem(operands->objects, (Py_ssize_t)i);
        struct ms_py_bytes key, value;

        if (ms_py_borrow_key(PyTuple_GetItem(pair, 0), &key) != 0 ||
            hold_export(operands, &key) != 0 ||
            ms_py_borrow_value(PyTuple_GetItem(pair, 1), &value) != 0 ||
            hold_export(operands, &value) != 0)
            return -1;
        entries[i].key.data = key.data;
        entries[i].key.size = key.size;
        entries[i].value = value.data;
        entries[i].value_size = value.size;
        entries[i].ttl_ms = ttl_ms;
        *total += value.size;
    }
    return 0;
}

static PyObject *set_operands(memstore *store, struct operands *operands, memstore_entry *entries,
                              int64_t ttl_ms)
{
    size_t total = 0;
    int status;

    if (fill_entries(operands, entries, ttl_ms, &total) != 0)
        return NULL;
    /* Always without the GIL: the call may wait for the shards that other threads write to. */
    Py_BEGIN_ALLOW_THREADS status = memstore_set_many(store, entries, operands->count);
    Py_END_ALLOW_THREADS if (status < 0) return ms_py_raise(status, NULL);
    Py_RETURN_NONE;
}

PyObject *ms_py_set_many(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    static const char *const names[] = {"items", "ttl"};
    memstore_entry inline_entries[INLINE_KEYS], *entries;
    struct operands operands = {0};
    PyObject *given[2], *result = NULL;
    int64_t ttl_ms;
    memstore *store = ms_py_handle_store(self);

    if (store == NULL ||
        ms_py_arguments("set_many", args, count, kwnames, names, 1, 2, given) != 0 ||
        ms_py_ttl(given[1], &ttl_ms) != 0)
        return NULL;
    operands.objects = tuple_of_pairs(given[0]);
    if (operands.objects == NULL)
        return NULL;
    operands.count = (size_t)PyTuple_Size(operands.objects);
    entries = make_room(&operands, inline_entries, operands.count * sizeof(memstore_entry));
    if (entries != NULL)
        result = set_operands(store, &operands, entries, ttl_ms);
    drop_operands(&operands);
    return result;
}
