/* Names of tree entries and the head of a pack. */
#include <string.h>

#include "git/pack.h"
#include "git/safe_path.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const char *text = (const char *)data;
    uint32_t n;
    pack_check_header(data, size, &n, NULL);
    safe_entry(text, size, 0120000);
    if (safe_path(text, size) && (memmem(text, size, "//", 2) || memmem(text, size, ".git/", 5)) &&
        !memmem(text, size, "?", 1)) {
        /* ".git/" may only be the end of a longer name */
        const char *at = memmem(text, size, ".git/", 5);
        if (!at || at == text || at[-1] == '/')
            __builtin_trap();
    }
    return 0;
}
