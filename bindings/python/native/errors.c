/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include <errno.h>

/* int status -> exception class; the base class under 0. Set by each import of the package, and never
 * given back: other threads may be about to raise what an earlier one has. */
static PyObject *error_classes;

PyObject *ms_py_register_errors(PyObject *classes)
{
    if (!PyDict_Check(classes)) {
        PyErr_SetString(PyExc_TypeError, "register_errors() takes a dict of status to class");
        return NULL;
    }
    Py_INCREF(classes);
    /* ORDER: relaxed; whoever raises one of them comes after the first import. */
    ms_plain_store_relaxed(&error_classes, classes);
    ms_py_keep(&error_classes);
    Py_RETURN_NONE;
}

/* The class for a status (borrowed), the base class for a status that this package does not
 * know. */
PyObject *ms_py_class_of(int status)
{
    /* ORDER: relaxed; see ms_py_register_errors(). */
    PyObject *const classes = ms_plain_load_relaxed(&error_classes);
    PyObject *class = NULL;

    for (int attempt = 0; attempt < 2 && class == NULL && classes != NULL; attempt++) {
        PyObject *number = PyLong_FromLong(attempt == 0 ? status : 0);

        if (number == NULL)
            return NULL;
        class = PyDict_GetItemWithError(classes, number);
        Py_DECREF(number);
        if (class == NULL && PyErr_Occurred())
            return NULL;
    }
    return class != NULL ? class : PyExc_RuntimeError;
}

PyObject *ms_py_raise_text(int status, const char *text)
{
    PyObject *class = ms_py_class_of(status);

    if (class != NULL)
        PyErr_SetString(class, text);
    return NULL;
}

static const char *text_of(int status)
{
    /* In the terms of Python, where None is a TTL and numbers that are none are refused. */
    return status == MEMSTORE_ERR_INVALID_TTL
               ? "a TTL is a number of seconds above 0, within ttl.min_ttl .. ttl.max_ttl; None "
                 "stores for ever"
               : memstore_strerror(status);
}

PyObject *ms_py_raise(int status, PyObject *key)
{
    /* A handler of a signal has ended the call. */
    if (PyErr_Occurred())
        return NULL;
    PyObject *class = ms_py_class_of(status);

    if (class == NULL)
        return NULL;
    /* As with dict, the argument of a missing key's exception is the key. */
    if (key != NULL && (status == MEMSTORE_ERR_KEY_NOT_FOUND || status == MEMSTORE_ERR_TTL_EXPIRED))
        PyErr_SetObject(class, key);
    else if (key != NULL)
        PyErr_Format(class, "%s (key %.200R)", text_of(status), key);
    else
        PyErr_SetString(class, text_of(status));
    return NULL;
}

PyObject *ms_py_raise_of_file(int status, int number)
{
    PyObject *const class = status == MEMSTORE_ERR_IO ? ms_py_class_of(status) : NULL;

    if (class == NULL || PyErr_Occurred())
        return ms_py_raise(status, NULL);
    errno = number;
    return PyErr_SetFromErrno(class);
}
