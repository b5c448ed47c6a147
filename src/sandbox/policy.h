/* The compiled-in policy tables, for the files of this folder. */
#ifndef SANDBOX_POLICY_H
#define SANDBOX_POLICY_H

#include <stddef.h>
#include <stdint.h>

#include "sandbox/sandbox.h"

#define POLICY_ARGS_MAX 2

struct policy_arg {
    unsigned index;
    uint64_t mask; /* compared: (argument & mask) == value */
    uint64_t value;
};

struct policy_rule {
    const char *name;
    int refuse_errno; /* 0: allowed */
    size_t n_args;
    struct policy_arg args[POLICY_ARGS_MAX];
};

struct policy {
    const char *name;
    int default_errno;
    const struct policy_rule *rules;
    size_t n_rules;
};

const struct policy *policy_of(enum sandbox_policy which);

#endif
