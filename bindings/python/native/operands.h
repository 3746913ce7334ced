/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and entries of a call on several, taken from Python objects into arrays as the library wants
 * them.
 *
 * What is taken is referred to by the call itself: a list may change while a buffer is asked for, or
 * while the GIL is released. References are kept in an array of their own rather than in a tuple,
 * whose items only calls can reach, and which the garbage collector has to look at. */
#ifndef MS_PY_OPERANDS_H
#define MS_PY_OPERANDS_H

#include "native.h"

/* Up to so many keys are in room on the stack. */
#define MS_PY_ROOM_KEYS 128
/* What a key takes: itself, its object and a flag; or an entry and two objects. */
#define MS_PY_KEY_ROOM (sizeof(memstore_key) + sizeof(PyObject *) + 1)
#define MS_PY_ENTRY_ROOM (sizeof(memstore_entry) + 2 * sizeof(PyObject *))

struct ms_py_operands {
    size_t count;
    memstore_key *keys;      /* or NULL */
    memstore_entry *entries; /* or NULL */
    unsigned char *flags;    /* room for one a key, beside `keys` */
    PyObject **objects;      /* what is referred to: keys, or keys and values by turns */
    size_t held;             /* references there */
    Py_buffer *buffers;      /* or NULL */
    size_t exports;          /* buffers held there */
    void *block;             /* heap memory of the arrays, or NULL */
};

/* Take the keys of any iterable, or of an array (rows.h). `stack` has room for MS_PY_ROOM_KEYS keys.
 * After a failure an exception is set, -1 is returned, and nothing is left to drop. */
int ms_py_take_keys(struct ms_py_operands *operands, const char *function, PyObject *keys,
                    void *stack);
/* Take the items of a mapping or of an iterable of pairs; or, when `values` is not NULL, those whose
 * keys and values are given apart. All have one TTL. */
int ms_py_take_entries(struct ms_py_operands *operands, PyObject *items, PyObject *values,
                       int64_t ttl_ms, void *stack);
void ms_py_drop_operands(struct ms_py_operands *operands);

/* ---- For those who take ---- */

/* Memory for the arrays: of the stack if it is enough for `count` keys, else of the heap. */
void *ms_py_make_room(struct ms_py_operands *operands, void *stack, size_t each);
/* Keep a buffer until the operands are dropped. A failure releases it. */
int ms_py_hold_buffer(struct ms_py_operands *operands, const Py_buffer *buffer);
/* A list or tuple of what an iterable gives: itself, if it is one. */
PyObject *ms_py_sequence_of(PyObject *iterable);

static inline void ms_py_refer_to(struct ms_py_operands *operands, PyObject *object)
{
    Py_INCREF(object);
    operands->objects[operands->held++] = object;
}

static inline size_t ms_py_length_of(PyObject *sequence)
{
    return (size_t)(PyList_CheckExact(sequence) ? PyList_Size(sequence) : PyTuple_Size(sequence));
}

static inline PyObject *ms_py_item_of(PyObject *sequence, size_t i)
{
    return PyList_CheckExact(sequence) ? PyList_GetItem(sequence, (Py_ssize_t)i)
                                       : PyTuple_GetItem(sequence, (Py_ssize_t)i);
}

static inline int ms_py_hold_export(struct ms_py_operands *operands,
                                    const struct ms_py_bytes *bytes)
{
    return bytes->exported ? ms_py_hold_buffer(operands, &bytes->buffer) : 0;
}

/* The key whose object is at `at`. */
static inline int ms_py_borrow_key_at(struct ms_py_operands *operands, size_t at, memstore_key *key)
{
    struct ms_py_bytes bytes;

    if (ms_py_borrow_key(operands->objects[at], &bytes) != 0 ||
        ms_py_hold_export(operands, &bytes) != 0)
        return -1;
    key->data = bytes.data;
    key->size = bytes.size;
    return 0;
}

#endif
