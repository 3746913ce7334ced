/* SPDX-License-Identifier: Apache-2.0 */
/* In builds for tests alone (the option python_clock): a clock that Python sets. */
#include "platform/testing.h"

#include "native.h"

static PyObject *set_clock(PyObject *Py_UNUSED(module), PyObject *args)
{
    long long monotonic_ms, unix_ms;

    if (!PyArg_ParseTuple(args, "LL", &monotonic_ms, &unix_ms))
        return NULL;
    ms_testing_set_clock(monotonic_ms, unix_ms);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"_set_clock", set_clock, METH_VARARGS,
     "Replace the monotonic and the Unix clock of all stores, in milliseconds."},
    {NULL, NULL, 0, NULL},
};

int ms_py_clock_init(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
