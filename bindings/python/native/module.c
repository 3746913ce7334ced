/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

/* The objects that this module keeps in variables of C, each set once: a second import (of a
 * program that has removed the module from sys.modules) finds the types of the first, whose
 * objects are alive. */
enum { MAX_KEPT = 8 };
static PyObject **kept[MAX_KEPT];
static int kept_count;
static bool registered;

/* The interpreter ends and takes the objects along. A program that embeds Python may begin another.
 */
static void forget_all(void)
{
    for (int i = 0; i < kept_count; i++)
        *kept[i] = NULL;
    kept_count = 0;
    registered = false;
}

void ms_py_keep(PyObject **variable)
{
    for (int i = 0; i < kept_count; i++) {
        if (kept[i] == variable)
            return;
    }
    if (kept_count < MAX_KEPT)
        kept[kept_count++] = variable;
}

int ms_py_add_type(PyObject *module, PyTypeObject **type, PyType_Spec *spec, const char *name)
{
    if (*type == NULL)
        *type = (PyTypeObject *)PyType_FromSpec(spec);
    if (*type == NULL)
        return -1;
    ms_py_keep((PyObject **)type);
    return PyModule_AddObjectRef(module, name, (PyObject *)*type);
}

int ms_py_module_init(PyObject *module)
{
    /* What is kept here belongs to one interpreter: the classes of exceptions, the types. The main
     * interpreter has the number 0. */
    if (PyInterpreterState_GetID(PyInterpreterState_Get()) != 0) {
        PyErr_SetString(PyExc_ImportError,
                        "memstore can be imported by the main interpreter of a process alone, and "
                        "this is a subinterpreter (under mod_wsgi set `WSGIApplicationGroup "
                        "%{GLOBAL}`)");
        return -1;
    }
    if (!registered && Py_AtExit(forget_all) != 0) {
        PyErr_SetString(PyExc_ImportError, "memstore: Py_AtExit() takes no more functions");
        return -1;
    }
    registered = true;
    if (PyModule_AddStringConstant(module, "_BUILD", MS_PY_BUILD) != 0)
        return -1;
    ms_py_many_init();
#ifdef MS_TESTING
    if (ms_py_clock_init(module) != 0)
        return -1;
#endif
    return ms_py_gil_init() != 0 || ms_py_convert_init() != 0 || ms_py_handle_init(module) != 0 ||
                   ms_py_view_init(module) != 0 || ms_py_cursor_init(module) != 0 ||
                   ms_py_subscription_init(module) != 0 || ms_py_load_init(module) != 0 ||
                   ms_py_log_init(module) != 0
               ? -1
               : 0;
}
