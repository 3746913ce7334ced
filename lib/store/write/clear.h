/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MS_STORE_WRITE_CLEAR_H
#define MS_STORE_WRITE_CLEAR_H

#include <memstore/memstore.h>

int ms_store_clear(memstore *store);

#endif
