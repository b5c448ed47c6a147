#include "sync/blame.h"

#include <string.h>

#include "base/num.h"

static int take_line(const char **p, size_t *left, const char **line, size_t *len)
{
    const char *end = memchr(*p, '\n', *left);
    if (!end)
        return ERR_INVALID;
    *line = *p;
    *len = (size_t)(end - *p);
    *left -= *len + 1;
    *p = end + 1;
    return 0;
}

static const char *value_of(const char *line, size_t len, const char *key, size_t *value_len)
{
    size_t n = strlen(key);
    if (len < n || memcmp(line, key, n) != 0)
        return NULL;
    *value_len = len - n;
    return line + n;
}

/* "<id> <line then> <line now>[ <lines>]" */
static int read_head(const char *line, size_t len, struct blame_line *out)
{
    if (len < OID_HEX + 4 || oid_parse(line, OID_HEX, &out->commit, NULL) < 0 ||
        line[OID_HEX] != ' ')
        return ERR_INVALID;
    const char *p = line + OID_HEX + 1;
    const char *end = line + len;
    const char *space = memchr(p, ' ', (size_t)(end - p));
    if (!space || num_parse_u64(p, (size_t)(space - p), 1, UINT64_MAX, &out->line_then, NULL) < 0)
        return ERR_INVALID;
    p = space + 1;
    space = memchr(p, ' ', (size_t)(end - p));
    return num_parse_u64(p, (size_t)((space ? space : end) - p), 1, UINT64_MAX, &out->line, NULL);
}

int blame_next(const char **p, size_t *left, struct blame_line *out, struct err *err)
{
    const char *line;
    size_t len;
    uint64_t time;
    memset(out, 0, sizeof *out);
    if (*left == 0)
        return ERR_NOT_FOUND;
    if (take_line(p, left, &line, &len) < 0 || read_head(line, len, out) < 0)
        return err_set(err, ERR_INVALID, "unexpected answer from git blame");
    while (take_line(p, left, &line, &len) == 0) {
        size_t n;
        const char *value;
        if (len && line[0] == '\t') {
            out->text = line + 1;
            out->text_len = len - 1;
            return 0;
        }
        if ((value = value_of(line, len, "author ", &n))) {
            out->author = value;
            out->author_len = n;
        } else if ((value = value_of(line, len, "summary ", &n))) {
            out->summary = value;
            out->summary_len = n;
        } else if ((value = value_of(line, len, "filename ", &n))) {
            out->path = value;
            out->path_len = n;
        } else if ((value = value_of(line, len, "author-time ", &n)) &&
                   num_parse_u64(value, n, 0, INT64_MAX, &time, NULL) == 0) {
            out->time = (int64_t)time;
        }
    }
    return err_set(err, ERR_INVALID, "unexpected answer from git blame");
}
