/* The /28s of an IPv4 network. Pure. */
#ifndef SESSION_SUBNET_H
#define SESSION_SUBNET_H

#include <stdint.h>

#include "base/err.h"

#define SUBNET_TEXT 24
#define SUBNET_PREFIX 28

struct subnet_range {
    uint32_t network; /* host byte order */
    uint32_t count;   /* /28s in it */
};

/* "10.213.0.0/16": prefix 8 to 28, no host bits. */
int subnet_parse(const char *text, struct subnet_range *out, struct err *err);
/* "10.213.0.16/28" */
void subnet_format(const struct subnet_range *range, uint32_t index, char out[SUBNET_TEXT]);

#endif
