/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include <string.h>

/* Numbers as struct and numpy write them: an order of bytes perhaps, and one letter. */
static bool is_number(const char *format)
{
    if (strchr("@=<>!|", format[0]) != NULL)
        format++;
    if (format[0] == 'Z')
        format++;
    return format[0] != '\0' && format[1] == '\0' && strchr("?cbBhHiIlLqQnNefdg", format[0]);
}

/* "20s" */
static bool is_fixed_bytes(const char *format)
{
    return format[strspn(format, "0123456789")] == 's' && format[strlen(format) - 1] == 's';
}

/* Whether the bytes of a row follow one another. */
static bool rows_are_whole(const Py_buffer *buffer)
{
    Py_ssize_t step = buffer->itemsize;

    for (int i = buffer->ndim - 1; i > 0; i--) {
        if (buffer->strides[i] != step && buffer->shape[i] > 1)
            return false;
        step *= buffer->shape[i];
    }
    return true;
}

static bool describe(struct ms_py_rows *rows)
{
    const Py_buffer *buffer = &rows->buffer;

    if (buffer->ndim == 0 || buffer->format == NULL)
        return false;
    rows->padded = buffer->ndim == 1;
    if (rows->padded ? !is_fixed_bytes(buffer->format)
                     : !is_number(buffer->format) || !rows_are_whole(buffer))
        return false;
    rows->count = (size_t)buffer->shape[0];
    rows->step = buffer->strides[0];
    rows->size = (size_t)buffer->itemsize;
    for (int i = 1; i < buffer->ndim; i++)
        rows->size *= (size_t)buffer->shape[i];
    return true;
}

int ms_py_rows_of(PyObject *object, struct ms_py_rows *rows)
{
    if (!PyObject_CheckBuffer(object))
        return 0;
    if (PyObject_GetBuffer(object, &rows->buffer, PyBUF_RECORDS_RO) != 0) {
        /* Who cannot say what it has may still be iterated over. */
        PyErr_Clear();
        return 0;
    }
    if (describe(rows))
        return 1;
    PyBuffer_Release(&rows->buffer);
    return 0;
}

int ms_py_copy_rows(struct ms_py_rows *rows)
{
    const bool adjoin = rows->step == (ptrdiff_t)rows->size;
    PyObject *const copy = PyBytes_FromStringAndSize(
        adjoin ? rows->buffer.buf : NULL, (Py_ssize_t)rows->count * (Py_ssize_t)rows->size);

    for (size_t i = 0; copy != NULL && !adjoin && i < rows->count; i++)
        memcpy(PyBytes_AsString(copy) + i * rows->size,
               (const char *)rows->buffer.buf + (ptrdiff_t)i * rows->step, rows->size);
    PyBuffer_Release(&rows->buffer);
    if (copy == NULL)
        return -1;
    const int status = PyObject_GetBuffer(copy, &rows->buffer, PyBUF_SIMPLE);
    Py_DECREF(copy);
    rows->step = (ptrdiff_t)rows->size;
    return status;
}

int ms_py_key_in_row(const struct ms_py_rows *rows, size_t i, memstore_key *key)
{
    key->data = ms_py_row(rows, i, &key->size);
    if (key->size > 0)
        return 0;
    ms_py_raise_text(MEMSTORE_ERR_INVALID_ARGUMENT, "a key has at least one byte");
    return -1;
}
