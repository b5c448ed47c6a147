/* What an SSH client's git asks for, and the lines that git gives its hook. */
#include <string.h>

#include "base/mem.h"
#include "wrapper/hook.h"
#include "wrapper/remote.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    cleanup_free char *text = xcalloc(size + 1, 1);
    struct hook_command command;
    if (size)
        memcpy(text, data, size);
    (void)remote_parse(text, "proj", "/session/canonical");
    if (size >= 4 && hook_line_length(text) > HOOK_LINE_MAX)
        __builtin_trap();
    if (hook_command_parse(text, size, &command, NULL) == 0 && strlen(command.ref) == 0)
        __builtin_trap();
    return 0;
}
