/* SPDX-License-Identifier: Apache-2.0 */
#include "operands.h"
#include "rows.h"

#include "platform/atomic.h"
#include "platform/compiler.h"

#include <string.h>

/* Keys whose objects are being loaded while one is looked at. */
#define LOADED_AHEAD 8

/* ---- Memory, references and buffers ---------------------------------------------------------- */

void *ms_py_make_room(struct ms_py_operands *operands, void *stack, size_t each)
{
    if (operands->count <= MS_PY_ROOM_KEYS)
        return stack;
    operands->block = PyMem_Malloc(operands->count * each);
    if (operands->block == NULL)
        PyErr_NoMemory();
    return operands->block;
}

static int make_key_room(struct ms_py_operands *operands, void *stack)
{
    void *room = ms_py_make_room(operands, stack, MS_PY_KEY_ROOM);

    if (room == NULL)
        return -1;
    operands->keys = room;
    operands->objects = (PyObject **)(operands->keys + operands->count);
    operands->flags = (unsigned char *)(operands->objects + operands->count);
    return 0;
}

int ms_py_hold_buffer(struct ms_py_operands *operands, const Py_buffer *buffer)
{
    if (operands->buffers == NULL)
        operands->buffers = PyMem_Calloc(2 * operands->count + 2, sizeof(Py_buffer));
    if (operands->buffers == NULL) {
        PyBuffer_Release((Py_buffer *)buffer);
        PyErr_NoMemory();
        return -1;
    }
    operands->buffers[operands->exports++] = *buffer;
    return 0;
}

void ms_py_drop_operands(struct ms_py_operands *operands)
{
    for (size_t i = 0; i < operands->exports; i++)
        PyBuffer_Release(&operands->buffers[i]);
    for (size_t i = 0; i < operands->held; i++)
        Py_DECREF(operands->objects[i]);
    PyMem_Free(operands->buffers);
    PyMem_Free(operands->block);
}

static int drop_unless(bool taken, struct ms_py_operands *operands)
{
    if (!taken)
        ms_py_drop_operands(operands);
    return taken ? 0 : -1;
}

PyObject *ms_py_sequence_of(PyObject *iterable)
{
    if (!PyList_CheckExact(iterable) && !PyTuple_CheckExact(iterable))
        return PySequence_Tuple(iterable);
    Py_INCREF(iterable);
    return iterable;
}

/* ---- Keys ------------------------------------------------------------------------------------ */

static bool take_rows_as_keys(struct ms_py_operands *operands, struct ms_py_rows *rows, void *stack)
{
    operands->count = rows->count;
    if (ms_py_copy_rows(rows) != 0 || ms_py_hold_buffer(operands, &rows->buffer) != 0 ||
        make_key_room(operands, stack) != 0)
        return false;
    for (size_t i = 0; i < rows->count; i++)
        if (ms_py_key_in_row(rows, i, &operands->keys[i]) != 0)
            return false;
    return true;
}

/* Refer to all objects of a sequence before any is asked for a buffer, which may change the sequence. The
 * objects of the next keys are loaded meanwhile: those of a large batch are seldom in the cache. */
static void refer_to_all(struct ms_py_operands *operands, PyObject *sequence)
{
    PyObject **const objects = operands->objects;
    const size_t count = operands->count;

    for (size_t i = 0; i < count; i++)
        objects[i] = ms_py_item_of(sequence, i);
    for (size_t i = 0; i < count; i++) {
        const char *const next =
            (const char *)objects[i + LOADED_AHEAD < count ? i + LOADED_AHEAD : i];

        ms_prefetch_write(next);
        ms_prefetch(next + MS_CACHE_LINE);
        Py_INCREF(objects[i]);
    }
    operands->held = count;
}

/* With the sequence, which may be a list that other threads have, to itself. */
static bool refer_to_keys(struct ms_py_operands *operands, PyObject *sequence, void *stack)
{
    operands->count = ms_py_length_of(sequence);
    if (make_key_room(operands, stack) != 0)
        return false;
    refer_to_all(operands, sequence);
    return true;
}

static bool take_sequence_as_keys(struct ms_py_operands *operands, PyObject *sequence, void *stack)
{
    ms_py_section section;

    ms_py_enter(&section, sequence);
    const bool taken = refer_to_keys(operands, sequence, stack);
    ms_py_leave(&section);
    if (!taken)
        return false;
    for (size_t i = 0; i < operands->count; i++)
        if (ms_py_borrow_key_at(operands, i, &operands->keys[i]) != 0)
            return false;
    return true;
}

int ms_py_take_keys(struct ms_py_operands *operands, const char *function, PyObject *keys,
                    void *stack)
{
    struct ms_py_rows rows;

    memset(operands, 0, sizeof(*operands));
    /* A str is an iterable of keys too, but hardly ever the one that was meant. */
    if (PyUnicode_Check(keys) || PyBytes_Check(keys)) {
        PyErr_Format(PyExc_TypeError, "%s() takes an iterable of keys, not one key", function);
        return -1;
    }
    if (ms_py_rows_of(keys, &rows))
        return drop_unless(take_rows_as_keys(operands, &rows, stack), operands);

    PyObject *sequence = ms_py_sequence_of(keys);
    if (sequence == NULL)
        return -1;
    const bool taken = take_sequence_as_keys(operands, sequence, stack);
    Py_DECREF(sequence);
    return drop_unless(taken, operands);
}
