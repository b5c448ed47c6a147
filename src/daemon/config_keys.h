/* The table of configuration variables. Private to src/daemon/config*.c. */
#ifndef DAEMON_CONFIG_KEYS_H
#define DAEMON_CONFIG_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "daemon/config.h"

enum config_kind {
    CONFIG_STR,
    CONFIG_SECRET,
    CONFIG_PATH,        /* made absolute */
    CONFIG_FILE,        /* a path that must be readable */
    CONFIG_SECRET_FILE, /* and by nobody else */
    CONFIG_URL,         /* http or https, trailing slashes taken off */
    CONFIG_ADDRESS,     /* numeric */
    CONFIG_INT,         /* int in [min, max] */
    CONFIG_SECS,        /* int64_t, plain seconds in [min, max] */
    CONFIG_BYTES,       /* uint64_t, "2g" */
    CONFIG_CPUS,        /* int, thousandths: "2", "0.5" */
    CONFIG_FLAG,        /* bool: 1, or 0 or empty */
    CONFIG_LIST,        /* strv, separated by commas or blanks */
    CONFIG_PROVIDER,
    CONFIG_PORTS, /* "first-last" into two ints */
    CONFIG_LOG_LEVEL,
    CONFIG_LOG_FORMAT,
};

struct config_key {
    const char *name;
    enum config_kind kind;
    size_t offset;        /* in struct config */
    const char *fallback; /* text of the default, NULL: none, or made by config_finish */
    int64_t min, max;
};

extern const struct config_key config_keys[];
extern const size_t n_config_keys;

const struct config_key *config_key_find(const char *name, size_t len);

/* Parses text into the key's place. The message does not name the key and never holds the value of
 * a secret. */
int config_key_set(const struct config_key *key, const char *text, struct config *config,
                   struct err *err);
/* Appends the value's text; nothing when it is unset. */
void config_key_print(const struct config_key *key, const struct config *config, struct str *out);
void config_key_release(const struct config_key *key, struct config *config);

/* Defaults that depend on others, and checks across variables. The message names the variable. */
int config_finish(const char *home, struct config *config, struct err *err);

#endif
