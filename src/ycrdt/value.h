/* Values within structs that the engine keeps as they are: checked when they come in, skipped over
 * afterwards. */
#ifndef YCRDT_VALUE_H
#define YCRDT_VALUE_H

#include "ycrdt/codec.h"

/* Passes over one lib0 "any" value; false when it is malformed or nested too deeply. */
bool any_skip(struct rd *r, int depth);
/* The bytes are one JSON text. */
bool json_valid(const uint8_t *p, size_t n);

#endif
