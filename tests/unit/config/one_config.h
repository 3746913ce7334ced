/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration of a suite whose tests have one each. */
#ifndef UNIT_CONFIG_ONE_CONFIG_H
#define UNIT_CONFIG_ONE_CONFIG_H

#include "config/config.h"

extern memstore_config *config;

void create_config(void);
void destroy_config(void);

#endif
