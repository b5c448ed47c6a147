#include "git/transport_parse.h"

#include <string.h>

#include "base/mem.h"
#include "base/num.h"

static bool starts(const char *p, size_t len, const char *prefix)
{
    size_t n = strlen(prefix);
    return len >= n && memcmp(p, prefix, n) == 0;
}

bool transport_parse_progress(const char *line, size_t len, const char **stage, size_t *stage_len,
                              int *percent)
{
    if (starts(line, len, "remote: ")) {
        line += 8;
        len -= 8;
    }
    const char *colon = memchr(line, ':', len);
    const char *sign = memchr(line, '%', len);
    if (!colon || !sign || sign < colon || colon == line)
        return false;
    for (const char *p = line; p < colon; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || *p == ' '))
            return false;
    const char *digits = colon + 1;
    while (digits < sign && *digits == ' ')
        digits++;
    uint64_t value;
    if (num_parse_u64(digits, (size_t)(sign - digits), 0, 100, &value, NULL) < 0)
        return false;
    *stage = line;
    *stage_len = (size_t)(colon - line);
    *percent = (int)value;
    return true;
}

bool transport_parse_amount(const char *line, size_t len, const char **amount, size_t *amount_len)
{
    static const char *const units[] = {" bytes", " KiB", " MiB", " GiB"};
    const char *start = memmem(line, len, "), ", 3);
    if (!start)
        return false;
    start += 3;
    size_t left = len - (size_t)(start - line), n = 0;
    while (n < left && ((start[n] >= '0' && start[n] <= '9') || start[n] == '.'))
        n++;
    for (size_t i = 0; n && n < 16 && i < ARRAY_LEN(units); i++) {
        size_t unit = strlen(units[i]);
        if (starts(start + n, left - n, units[i])) {
            *amount = start;
            *amount_len = n + unit;
            return true;
        }
    }
    return false;
}

/* --- stderr ----------------------------------------------------------------------------------- */

/* What git 2.39, libcurl, OpenSSH and the well-known forges say; the first match counts, so the
 * telling texts come before those that only accompany them. */
static const struct {
    const char *text;
    int code;
    const char *reason;
} phrases[] = {
    {"No space left on device", ERR_NO_SPACE, "no_space"},
    {"Disk quota exceeded", ERR_NO_SPACE, "no_space"},
    {"File too large", ERR_LIMIT, "repository_too_large"},
    {"died of signal 25", ERR_LIMIT, "repository_too_large"},
    {"exceeds maximum allowed size", ERR_LIMIT, "repository_too_large"},
    {"Remote branch ", ERR_NOT_FOUND, "branch_not_found"},
    {"couldn't find remote ref", ERR_NOT_FOUND, "branch_not_found"},
    {"Host key verification failed", ERR_DENIED, "repository_refused"},
    {"REMOTE HOST IDENTIFICATION HAS CHANGED", ERR_DENIED, "repository_refused"},
    {"could not read Username", ERR_UNAUTHENTICATED, "authentication_required"},
    {"could not read Password", ERR_UNAUTHENTICATED, "authentication_required"},
    {"Authentication failed", ERR_UNAUTHENTICATED, "authentication_required"},
    {"Permission denied (", ERR_UNAUTHENTICATED, "authentication_required"},
    {"Load key", ERR_UNAUTHENTICATED, "authentication_required"},
    {"HTTP Basic: Access denied", ERR_UNAUTHENTICATED, "authentication_required"},
    {"returned error: 401", ERR_UNAUTHENTICATED, "authentication_required"},
    {"epository not found", ERR_NOT_FOUND, "repository_not_found"},
    {"returned error: 404", ERR_NOT_FOUND, "repository_not_found"},
    {"returned error: 410", ERR_NOT_FOUND, "repository_not_found"},
    {"' not found", ERR_NOT_FOUND, "repository_not_found"},
    {"does not appear to be a git repository", ERR_NOT_FOUND, "repository_not_found"},
    {"' does not exist", ERR_NOT_FOUND, "repository_not_found"},
    {"returned error: 30", ERR_DENIED, "repository_refused"},
    {"returned error: 403", ERR_DENIED, "repository_refused"},
    {"returned error: 451", ERR_DENIED, "repository_refused"},
    {"unable to update url base from redirection", ERR_DENIED, "repository_refused"},
    {"Permission to ", ERR_DENIED, "repository_refused"},
    {"not allowed", ERR_DENIED, "repository_refused"},
    {"fsck error", ERR_DENIED, "repository_refused"},
    {"Could not resolve", ERR_UNAVAILABLE, "repository_unreachable"},
    {"Failed to connect", ERR_UNAVAILABLE, "repository_unreachable"},
    {"Couldn't connect", ERR_UNAVAILABLE, "repository_unreachable"},
    {"Connection ", ERR_UNAVAILABLE, "repository_unreachable"},
    {"connect to host", ERR_UNAVAILABLE, "repository_unreachable"},
    {"Operation too slow", ERR_UNAVAILABLE, "repository_unreachable"},
    {"Operation timed out", ERR_UNAVAILABLE, "repository_unreachable"},
    {"timed out", ERR_UNAVAILABLE, "repository_unreachable"},
    {"certificate", ERR_UNAVAILABLE, "repository_unreachable"},
    {"gnutls", ERR_UNAVAILABLE, "repository_unreachable"},
    {"SSL", ERR_UNAVAILABLE, "repository_unreachable"},
    {"returned error: 5", ERR_UNAVAILABLE, "repository_unreachable"},
    {"returned error: 429", ERR_UNAVAILABLE, "repository_unreachable"},
    {"early EOF", ERR_UNAVAILABLE, "repository_unreachable"},
    {"hung up unexpectedly", ERR_UNAVAILABLE, "repository_unreachable"},
    {"unexpected disconnect", ERR_UNAVAILABLE, "repository_unreachable"},
    {"Empty reply from server", ERR_UNAVAILABLE, "repository_unreachable"},
    {"RPC failed", ERR_UNAVAILABLE, "repository_unreachable"},
    {"not valid: is this a git repository", ERR_NOT_FOUND, "repository_not_found"},
    {"bad object", ERR_DENIED, "repository_refused"},
    {"index-pack", ERR_DENIED, "repository_refused"},
};

struct transport_verdict transport_classify(const char *text, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(phrases); i++)
        if (memmem(text, len, phrases[i].text, strlen(phrases[i].text)))
            return (struct transport_verdict){phrases[i].code, phrases[i].reason};
    return (struct transport_verdict){ERR_FAILED, "internal"};
}

/* How much a line of stderr says about the failure. */
static int weight(const char *line, size_t len)
{
    if (starts(line, len, "remote: error: ") || starts(line, len, "remote: fatal: "))
        return 5;
    if (starts(line, len, "ERROR: "))
        return 5;
    if (starts(line, len, "error: RPC failed"))
        return 4;
    if (starts(line, len, "fatal: Could not read from remote repository"))
        return 1;
    if (starts(line, len, "fatal: "))
        return 4;
    if (starts(line, len, "error: failed to push"))
        return 1;
    if (starts(line, len, "error: "))
        return 3;
    if (starts(line, len, "remote: ") && len > 8)
        return 2;
    return len ? 1 : 0;
}

void transport_main_line(const char *text, size_t len, struct str *out)
{
    const char *best = text;
    size_t best_len = 0;
    int best_weight = 0;
    while (len) {
        size_t n = 0;
        while (n < len && text[n] != '\n' && text[n] != '\r')
            n++;
        const char *stage;
        size_t stage_len;
        int percent;
        int w =
            transport_parse_progress(text, n, &stage, &stage_len, &percent) ? 0 : weight(text, n);
        if (w > best_weight) {
            best = text;
            best_len = n;
            best_weight = w;
        }
        text += n < len ? n + 1 : n;
        len -= n < len ? n + 1 : n;
    }
    static const char *const prefixes[] = {"remote: ", "fatal: ", "error: ", "ERROR: "};
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (starts(best, best_len, prefixes[i])) {
            best += strlen(prefixes[i]);
            best_len -= strlen(prefixes[i]);
        }
    while (best_len && (best[best_len - 1] == ' ' || best[best_len - 1] == '.'))
        best_len--;
    str_add_printable(out, best, best_len < 300 ? best_len : 300);
}

/* --- push and ls-remote ----------------------------------------------------------------------- */

static bool says(const char *p, size_t len, const char *text)
{
    return memmem(p, len, text, strlen(text)) != NULL;
}

static int flag_of(const struct transport_ref_line *l, char flag, enum transport_ref_flag *out)
{
    switch (flag) {
    case ' ':
    case '*':
    case '=':
        *out = TRANSPORT_REF_OK;
        return 0;
    case '+':
        *out = TRANSPORT_REF_FORCED;
        return 0;
    case '-':
        *out = TRANSPORT_REF_DELETED;
        return 0;
    case '!':
        break;
    default:
        return ERR_INVALID;
    }
    bool moved = l->reason && (says(l->reason, l->reason_len, "fetch first") ||
                               says(l->reason, l->reason_len, "non-fast-forward") ||
                               says(l->reason, l->reason_len, "stale info") ||
                               says(l->reason, l->reason_len, "cannot lock ref") ||
                               says(l->reason, l->reason_len, "failed to update ref"));
    *out = moved ? TRANSPORT_REF_MOVED : TRANSPORT_REF_REJECTED;
    return 0;
}

int transport_parse_push_line(const char *line, size_t len, struct transport_ref_line *out,
                              struct err *err)
{
    if (len < 2 || line[1] != '\t')
        return ERR_NOT_FOUND;
    const char *refs = line + 2;
    size_t left = len - 2;
    const char *tab = memchr(refs, '\t', left);
    const char *colon = memchr(refs, ':', tab ? (size_t)(tab - refs) : left);
    if (!tab || !colon)
        return err_set(err, ERR_INVALID, "unexpected line from git push");
    *out = (struct transport_ref_line){.from = refs,
                                       .from_len = (size_t)(colon - refs),
                                       .to = colon + 1,
                                       .to_len = (size_t)(tab - colon - 1)};
    const char *summary = tab + 1;
    size_t summary_len = len - (size_t)(summary - line);
    const char *open = memchr(summary, '(', summary_len);
    if (open && summary[summary_len - 1] == ')') {
        out->reason = open + 1;
        out->reason_len = summary_len - (size_t)(open + 1 - summary) - 1;
    }
    if (flag_of(out, line[0], &out->flag) < 0)
        return err_set(err, ERR_INVALID, "unexpected line from git push");
    return 0;
}

int transport_parse_ls_line(const char *line, size_t len, struct oid *oid, const char **ref,
                            size_t *ref_len, struct err *err)
{
    if (len < OID_HEX + 2 || line[OID_HEX] != '\t')
        return err_set(err, ERR_INVALID, "unexpected line from git ls-remote");
    *ref = line + OID_HEX + 1;
    *ref_len = len - OID_HEX - 1;
    return oid_parse(line, OID_HEX, oid, err);
}
