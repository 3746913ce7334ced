/* SPDX-License-Identifier: Apache-2.0 */
/* The settings as types of Python: bindings/python/memstore/_settings.py. */
#ifndef CONFIG_PYTHON_H
#define CONFIG_PYTHON_H

#include <stdio.h>

/* Write the module. */
void config_write_python(FILE *out);

#endif
