#include "base/num.h"

#include <stdbool.h>
#include <string.h>

int num_parse_u64(const char *text, size_t len, uint64_t min, uint64_t max, uint64_t *out,
                  struct err *err)
{
    uint64_t value = 0;
    if (len == 0)
        return err_set(err, ERR_INVALID, "a number is missing");
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return err_set(err, ERR_INVALID, "'%.*s' is not a number", (int)(len < 40 ? len : 40),
                           text);
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return err_set(err, ERR_INVALID, "'%.*s' is too large", (int)(len < 40 ? len : 40),
                           text);
        value = value * 10 + digit;
    }
    if (value < min || value > max)
        return err_set(err, ERR_INVALID, "%llu is not between %llu and %llu",
                       (unsigned long long)value, (unsigned long long)min, (unsigned long long)max);
    *out = value;
    return 0;
}

int num_parse_i64(const char *text, int64_t min, int64_t max, int64_t *out, struct err *err)
{
    bool negative = text[0] == '-';
    uint64_t magnitude = 0;
    uint64_t most = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    int rc = num_parse_u64(text + negative, strlen(text + negative), 0, most, &magnitude, err);
    if (rc)
        return rc;
    int64_t value = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    if (value < min || value > max)
        return err_set(err, ERR_INVALID, "%lld is not between %lld and %lld", (long long)value,
                       (long long)min, (long long)max);
    *out = value;
    return 0;
}

int num_parse_int(const char *text, int min, int max, int *out, struct err *err)
{
    int64_t value = 0;
    int rc = num_parse_i64(text, min, max, &value, err);
    if (rc == 0)
        *out = (int)value;
    return rc;
}

/* A number and an optional unit letter from `units`; factors go with the letters. */
static int parse_with_unit(const char *text, const char *units, const uint64_t *factors,
                           uint64_t max, uint64_t *out, struct err *err)
{
    size_t len = strlen(text);
    uint64_t factor = 1;
    const char *unit = len ? strchr(units, text[len - 1]) : NULL;
    if (unit) {
        factor = factors[unit - units];
        len--;
    }
    int rc = num_parse_u64(text, len, 0, max / factor, out, err);
    if (rc == 0)
        *out *= factor;
    return rc;
}

int num_parse_duration(const char *text, int64_t max, int64_t *seconds, struct err *err)
{
    static const uint64_t factors[] = {1, 60, 3600, 86400};
    uint64_t value = 0;
    int rc = parse_with_unit(text, "smhd", factors, (uint64_t)max, &value, err);
    if (rc) {
        err_wrap(err, "duration");
        return rc;
    }
    *seconds = (int64_t)value;
    return 0;
}

int num_parse_bytes(const char *text, uint64_t max, uint64_t *bytes, struct err *err)
{
    static const uint64_t factors[] = {1, 1024, 1024 * 1024, 1024ULL * 1024 * 1024};
    int rc = parse_with_unit(text, "bkmg", factors, max, bytes, err);
    if (rc)
        err_wrap(err, "size");
    return rc;
}
