/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

/* The thread state of who has given the GIL up in ms_py_release_gil(). */
static __thread PyThreadState *released;

void ms_py_release_gil(void)
{
    released = PyEval_SaveThread();
}

void ms_py_take_gil(void)
{
    PyThreadState *const thread = released;

    if (thread == NULL)
        return;
    /* Before it: an interpreter that is ending lets no thread come back from it. */
    released = NULL;
    PyEval_RestoreThread(thread);
}
