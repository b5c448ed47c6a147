/* What ssh wrote, with the other side's words in it. */
#include "ssh/client_log.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    cleanup_client_log struct client_log log;
    client_log_parse((const char *)data, size, &log);
    if (log.offered.len != log.files.len || log.offered.len > CLIENT_LOG_KEYS_MAX)
        __builtin_trap();
    return 0;
}
