/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays whose items are byte strings, read in place through the buffer protocol, without an object
 * for each.
 *
 *     one dimension of bytes of fixed length (numpy's dtype S)   each without its trailing zeros,
 *                                                                as numpy gives it
 *     two dimensions and more of numbers                         the bytes of each row
 *
 * All other arrays (of objects, of text, rows with gaps) are iterables like any other. */
#ifndef MS_PY_ROWS_H
#define MS_PY_ROWS_H

#include "native.h"

struct ms_py_rows {
    Py_buffer buffer;
    size_t count;
    size_t size;    /* bytes of a row */
    ptrdiff_t step; /* from one row to the next */
    bool padded;    /* trailing zeros do not belong to it */
};

/* 1: these are rows, and their buffer is held. 0: they are not. -1: an exception is set. */
int ms_py_rows_of(PyObject *object, struct ms_py_rows *rows);

static inline const char *ms_py_row(const struct ms_py_rows *rows, size_t i, size_t *size)
{
    const char *row = (const char *)rows->buffer.buf + (ptrdiff_t)i * rows->step;

    *size = rows->size;
    while (rows->padded && *size > 0 && row[*size - 1] == '\0')
        --*size;
    return row;
}

/* Copy the rows, for who relies on their bytes (PY-5): the copy's buffer is held in place of theirs. -1 with an
 * exception, and then none is held. */
int ms_py_copy_rows(struct ms_py_rows *rows);

/* A row as a key, which has at least one byte; -1 with an exception otherwise. */
int ms_py_key_in_row(const struct ms_py_rows *rows, size_t i, memstore_key *key);

#endif
