/* Signatures in OpenSSH's format, armored or not; what parses is verified too. */
#include "ssh/sshsig.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    cleanup_sshsig struct sshsig sig;
    if (sshsig_parse_armor((const char *)data, size, &sig, NULL) == 0)
        sshsig_verify(&sig, SSHSIG_LOGIN_NAMESPACE, "challenge", 9, NULL);
    return 0;
}
