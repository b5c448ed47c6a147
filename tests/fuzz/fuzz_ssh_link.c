/* Magic links; one that is taken must come out the same when it is written and read again. */
#include <stdlib.h>
#include <string.h>

#include "ssh/link.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    cleanup_magic_link struct magic_link link;
    cleanup_magic_link struct magic_link again;
    cleanup_str struct str text = STR_INIT;
    magic_link_init(&again);
    if (magic_link_parse((const char *)data, size, &link, NULL))
        return 0;
    magic_link_format(&link, &text);
    if (magic_link_parse(text.p, text.len, &again, NULL) || strcmp(link.host, again.host) != 0 ||
        strcmp(link.user, again.user) != 0 || link.port != again.port ||
        strcmp(link.host_key, again.host_key) != 0)
        abort();
    return 0;
}
