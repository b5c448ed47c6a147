/* One line of authorized_keys from strangers' parts: "wrapper NUL root NUL provider NUL login NUL
 * key". However they look, what comes out is one line whose options sshd reads as ours. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/sshd_text.h"
#include "base/mem.h"

#define HEAD "restrict,pty,port-forwarding,command=\""

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The end of the quoted command as sshd finds it: a quote without a backslash before it. */
static const char *end_of_command(const char *p)
{
    for (; *p && *p != '"'; p++)
        if (p[0] == '\\' && p[1] == '"')
            p++;
    return *p == '"' ? p : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *part[5] = {"", "", "", "", ""};
    cleanup_free char *whole = xmalloc(size + 1);
    memcpy(whole, data, size);
    whole[size] = 0;
    size_t at = 0;
    for (size_t i = 0; i < ARRAY_LEN(part) && at <= size; i++) {
        part[i] = whole + at;
        at += strlen(whole + at) + 1;
    }
    cleanup_str struct str out = STR_INIT;
    const char *root = part[1][0] ? part[1] : NULL;
    if (sshd_key_line(part[0], root, part[2], part[3], part[4], true, &out, NULL) < 0) {
        BUG_ON(out.len != 0);
        return 0;
    }
    BUG_ON(!str_starts_with(out.p, HEAD));
    BUG_ON(strchr(out.p, '\n') != out.p + out.len - 1);
    const char *end = end_of_command(out.p + strlen(HEAD));
    /* Behind the command: a blank, the key's type, a blank, base64. */
    BUG_ON(!end || end[1] != ' ');
    BUG_ON(strspn(end + 2, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@.-+/= "
                           "\n") != strlen(end + 2));
    return 0;
}
