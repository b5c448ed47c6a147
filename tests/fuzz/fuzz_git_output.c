/* What the git command prints: progress, failures, push --porcelain, ls-remote. */
#include "git/transport_parse.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const char *text = (const char *)data;
    const char *stage;
    const char *ref;
    size_t len;
    int percent;
    struct oid oid;
    struct transport_ref_line line;
    cleanup_str struct str main_line = STR_INIT;
    transport_parse_progress(text, size, &stage, &len, &percent);
    if (transport_parse_amount(text, size, &stage, &len) &&
        (stage < text || stage + len > text + size))
        __builtin_trap();
    if (!transport_classify(text, size).reason)
        __builtin_trap();
    transport_main_line(text, size, &main_line);
    if (!str_is_utf8(main_line.p, main_line.len))
        __builtin_trap();
    transport_parse_push_line(text, size, &line, NULL);
    transport_parse_ls_line(text, size, &oid, &ref, &len, NULL);
    return 0;
}
