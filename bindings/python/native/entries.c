/* SPDX-License-Identifier: Apache-2.0 */
#include "operands.h"
#include "rows.h"

#include <string.h>

/* ---- Items ----------------------------------------------------------------------------------- */

static int make_entry_room(struct ms_py_operands *operands, void *stack)
{
    void *room = ms_py_make_room(operands, stack, MS_PY_ENTRY_ROOM);

    if (room == NULL)
        return -1;
    operands->entries = room;
    operands->objects = (PyObject **)(operands->entries + operands->count);
    return 0;
}

static inline int borrow_value_at(struct ms_py_operands *operands, size_t at, memstore_entry *entry)
{
    struct ms_py_bytes bytes;

    if (ms_py_borrow_value(operands->objects[at], &bytes) != 0 ||
        ms_py_hold_export(operands, &bytes) != 0)
        return -1;
    entry->value = bytes.data;
    entry->value_size = bytes.size;
    return 0;
}

/* Key and value objects are referred to by turns; borrow their bytes. */
static bool borrow_entries(struct ms_py_operands *operands)
{
    for (size_t i = 0; i < operands->count; i++) {
        memstore_entry *entry = &operands->entries[i];

        if (ms_py_borrow_key_at(operands, 2 * i, &entry->key) != 0 ||
            borrow_value_at(operands, 2 * i + 1, entry) != 0)
            return false;
    }
    return true;
}

/* With the dict, which other threads may have, to itself. */
static bool refer_to_dict(struct ms_py_operands *operands, PyObject *dict, void *stack)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;

    operands->count = (size_t)PyDict_Size(dict);
    if (make_entry_room(operands, stack) != 0)
        return false;
    /* Nothing in the loop runs code of Python's, so that the dict stays as it is. */
    while (PyDict_Next(dict, &at, &key, &value)) {
        ms_py_refer_to(operands, key);
        ms_py_refer_to(operands, value);
    }
    return true;
}

static bool take_dict(struct ms_py_operands *operands, PyObject *dict, void *stack)
{
    ms_py_section section;

    ms_py_enter(&section, dict);
    const bool taken = refer_to_dict(operands, dict, stack);
    ms_py_leave(&section);
    return taken;
}

/* Refer to both halves of a sequence, if it is a pair; its length. */
static size_t refer_to_halves(struct ms_py_operands *operands, PyObject *pair)
{
    ms_py_section section;

    /* It may be a list that other threads have. */
    ms_py_enter(&section, pair);
    const size_t length = ms_py_length_of(pair);
    if (length == 2) {
        ms_py_refer_to(operands, ms_py_item_of(pair, 0));
        ms_py_refer_to(operands, ms_py_item_of(pair, 1));
    }
    ms_py_leave(&section);
    return length;
}

/* Refer to both halves of an item, which must be a pair. */
static int refer_to_pair(struct ms_py_operands *operands, PyObject *item)
{
    PyObject *pair;

    if (PyUnicode_Check(item) || PyBytes_Check(item)) {
        PyErr_SetString(PyExc_TypeError,
                        "set_many() takes a mapping or an iterable of (key, value) pairs");
        return -1;
    }
    pair = ms_py_sequence_of(item);
    if (pair == NULL)
        return -1;
    const size_t length = refer_to_halves(operands, pair);
    Py_DECREF(pair);
    if (length == 2)
        return 0;
    PyErr_Format(PyExc_ValueError, "an item of set_many() is a (key, value) pair, not %zu values",
                 length);
    return -1;
}

/* `pairs` is a tuple, since iterating over an item may run anything. */
static bool take_pairs(struct ms_py_operands *operands, PyObject *pairs, void *stack)
{
    operands->count = ms_py_length_of(pairs);
    if (make_entry_room(operands, stack) != 0)
        return false;
    for (size_t i = 0; i < operands->count; i++)
        if (refer_to_pair(operands, ms_py_item_of(pairs, i)) != 0)
            return false;
    return true;
}

static bool take_items(struct ms_py_operands *operands, PyObject *items, void *stack)
{
    PyObject *list, *pairs;

    if (PyDict_CheckExact(items))
        return take_dict(operands, items, stack);
    const bool mapping = PyObject_HasAttrString(items, "keys");
    list = mapping ? PyMapping_Items(items) : items;
    pairs = list != NULL ? PySequence_Tuple(list) : NULL;
    if (mapping)
        Py_XDECREF(list);
    if (pairs == NULL)
        return false;
    const bool taken = take_pairs(operands, pairs, stack);
    Py_DECREF(pairs);
    return taken;
}

/* ---- Keys and values apart ------------------------------------------------------------------- */

/* Rows of an array, or objects. */
struct column {
    struct ms_py_rows rows;
    PyObject *objects; /* a tuple; NULL for rows */
    size_t count;
};

static int read_column(struct column *column, PyObject *given, const char *what)
{
    column->objects = NULL;
    if (PyUnicode_Check(given) || PyBytes_Check(given)) {
        PyErr_Format(PyExc_TypeError, "set_many() takes an iterable of %s here, not one", what);
        return -1;
    }
    if (ms_py_rows_of(given, &column->rows)) {
        column->count = column->rows.count;
        return 0;
    }
    column->objects = PySequence_Tuple(given);
    if (column->objects == NULL)
        return -1;
    column->count = (size_t)PyTuple_Size(column->objects);
    return 0;
}

static void drop_column(struct column *column)
{
    if (column->objects == NULL)
        PyBuffer_Release(&column->rows.buffer);
    Py_XDECREF(column->objects);
}

static int fill_key(struct ms_py_operands *operands, const struct column *keys, size_t i)
{
    memstore_key *key = &operands->entries[i].key;

    if (keys->objects == NULL)
        return ms_py_key_in_row(&keys->rows, i, key);
    ms_py_refer_to(operands, PyTuple_GetItem(keys->objects, (Py_ssize_t)i));
    return ms_py_borrow_key_at(operands, operands->held - 1, key);
}

static int fill_value(struct ms_py_operands *operands, const struct column *values, size_t i)
{
    memstore_entry *entry = &operands->entries[i];

    if (values->objects == NULL) {
        entry->value = ms_py_row(&values->rows, i, &entry->value_size);
        return 0;
    }
    ms_py_refer_to(operands, PyTuple_GetItem(values->objects, (Py_ssize_t)i));
    return borrow_value_at(operands, operands->held - 1, entry);
}

static bool fill_from_columns(struct ms_py_operands *operands, struct column *keys,
                              struct column *values, void *stack)
{
    if (keys->count != values->count) {
        PyErr_Format(PyExc_ValueError, "set_many() got %zu keys and %zu values", keys->count,
                     values->count);
        return false;
    }
    operands->count = keys->count;
    if (make_entry_room(operands, stack) != 0)
        return false;
    for (size_t i = 0; i < operands->count; i++)
        if (fill_key(operands, keys, i) != 0 || fill_value(operands, values, i) != 0)
            return false;
    return true;
}

/* Columns of rows are handed over to the operands, which release them after the call. */
static int hold_column(struct ms_py_operands *operands, struct column *column)
{
    if (column->objects != NULL) {
        Py_DECREF(column->objects);
        return 0;
    }
    return ms_py_hold_buffer(operands, &column->rows.buffer);
}

static bool take_columns(struct ms_py_operands *operands, PyObject *keys, PyObject *values,
                         void *stack)
{
    struct column key_column, value_column;

    if (read_column(&key_column, keys, "keys") != 0)
        return false;
    if (key_column.objects == NULL && ms_py_copy_rows(&key_column.rows) != 0)
        return false;
    if (read_column(&value_column, values, "values") != 0) {
        drop_column(&key_column);
        return false;
    }
    if (!fill_from_columns(operands, &key_column, &value_column, stack)) {
        drop_column(&key_column);
        drop_column(&value_column);
        return false;
    }
    const bool held = hold_column(operands, &key_column) == 0;

    return hold_column(operands, &value_column) == 0 && held;
}

int ms_py_take_entries(struct ms_py_operands *operands, PyObject *items, PyObject *values,
                       int64_t ttl_ms, void *stack)
{
    bool taken;

    memset(operands, 0, sizeof(*operands));
    if (values != NULL)
        taken = take_columns(operands, items, values, stack);
    else
        taken = take_items(operands, items, stack) && borrow_entries(operands);
    if (!taken) {
        ms_py_drop_operands(operands);
        return -1;
    }
    for (size_t i = 0; i < operands->count; i++)
        operands->entries[i].ttl_ms = ttl_ms;
    return 0;
}
