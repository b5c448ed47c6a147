/* Text of git's configuration files. Pure. */
#ifndef SYNC_CONFIG_TEXT_H
#define SYNC_CONFIG_TEXT_H

#include "base/str.h"

/* Appends a value in quotes; control bytes are left out. */
void config_add_quoted(struct str *out, const char *value);

#endif
