/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include <stdlib.h>
#include <string.h>

/* ---- Iteration: one crossing a key ----------------------------------------------------------- */

struct ms_py_iterator {
    PyObject_HEAD memstore_cursor *cursor; /* NULL at the end */
    /* keeps the store from being destroyed before the cursor is freed (PY-1) */
    PyObject *handle;
};

static PyTypeObject *iterator_type;

static inline struct ms_py_iterator *as_iterator(PyObject *self)
{
    return (struct ms_py_iterator *)self;
}

PyObject *ms_py_iterate(struct ms_py_handle *handle)
{
    memstore_cursor *cursor;
    struct ms_py_iterator *self;
    const int status = memstore_cursor_new(ms_py_store_in(handle), NULL, 0, &cursor);

    if (status < 0)
        return ms_py_raise(status, NULL);
    self = PyObject_GC_New(struct ms_py_iterator, iterator_type);
    if (self == NULL) {
        memstore_cursor_free(cursor);
        return NULL;
    }
    self->cursor = cursor;
    Py_INCREF((PyObject *)handle);
    self->handle = (PyObject *)handle;
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

/* The bytes of a key are the cursor's until the next one is asked for. */
static PyObject *next_key(struct ms_py_iterator *iterator)
{
    memstore_key key;
    int status;

    if (iterator->cursor == NULL)
        return NULL;
    status = memstore_cursor_next(iterator->cursor, &key);
    if (status == MEMSTORE_OK)
        return PyBytes_FromStringAndSize(key.data, (Py_ssize_t)key.size);
    if (status != MEMSTORE_ERR_KEY_NOT_FOUND)
        return ms_py_raise(status, NULL);
    memstore_cursor_free(iterator->cursor);
    iterator->cursor = NULL;
    return NULL;
}

static PyObject *iterator_next(PyObject *self)
{
    ms_py_section section;

    ms_py_enter(&section, self);
    PyObject *const key = next_key(as_iterator(self));
    ms_py_leave(&section);
    return key;
}

static int iterator_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(as_iterator(self)->handle);
    return 0;
}

static void iterator_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    memstore_cursor_free(as_iterator(self)->cursor);
    Py_DECREF(as_iterator(self)->handle);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyType_Slot iterator_slots[] = {
    {Py_tp_dealloc, iterator_dealloc},
    {Py_tp_traverse, iterator_traverse},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, iterator_next},
    {0, NULL},
};

static PyType_Spec iterator_spec = {
    .name = "memstore._native.KeyIterator",
    .basicsize = sizeof(struct ms_py_iterator),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = iterator_slots,
};

int ms_py_cursor_init(PyObject *module)
{
    return ms_py_add_type(module, &iterator_type, &iterator_spec, "KeyIterator");
}

/* ---- All keys at once: gathered without the GIL, then made into objects ---------------------- */

/* Keys one after the other, each as its size and its bytes. */
struct packed_keys {
    char *bytes;
    size_t used, room, count;
    bool failed;
};

static int pack_key(const void *key, size_t size, void *context)
{
    struct packed_keys *keys = context;

    if (keys->room - keys->used < sizeof(size) + size) {
        const size_t room = 2 * (keys->used + sizeof(size) + size) + 4096;
        char *bytes = realloc(keys->bytes, room);

        if (bytes == NULL) {
            keys->failed = true;
            return 1;
        }
        keys->bytes = bytes;
        keys->room = room;
    }
    memcpy(keys->bytes + keys->used, &size, sizeof(size));
    memcpy(keys->bytes + keys->used + sizeof(size), key, size);
    keys->used += sizeof(size) + size;
    keys->count++;
    return 0;
}

static PyObject *unpack_keys(const struct packed_keys *keys)
{
    PyObject *list = PyList_New((Py_ssize_t)keys->count);
    const char *at = keys->bytes;

    for (size_t i = 0; list != NULL && i < keys->count; i++) {
        PyObject *key;
        size_t size;

        memcpy(&size, at, sizeof(size));
        key = PyBytes_FromStringAndSize(at + sizeof(size), (Py_ssize_t)size);
        if (key == NULL)
            Py_CLEAR(list);
        else
            PyList_SetItem(list, (Py_ssize_t)i, key);
        at += sizeof(size) + size;
    }
    return list;
}

PyObject *ms_py_list_keys(memstore *store, const char *pattern, size_t pattern_size)
{
    struct packed_keys keys = {0};
    PyObject *list;
    int status;

    Py_BEGIN_ALLOW_THREADS status = memstore_keys(store, pattern, pattern_size, pack_key, &keys);
    Py_END_ALLOW_THREADS if (keys.failed) status = MEMSTORE_ERR_MEMORY_EXHAUSTED;
    list = status < 0 ? ms_py_raise(status, NULL) : unpack_keys(&keys);
    free(keys.bytes);
    return list;
}
