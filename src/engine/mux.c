#include "engine/mux.h"

#include <string.h>

static int take_header(struct engine_mux *mux, struct err *err)
{
    const unsigned char *h = mux->header;
    if (h[0] > ENGINE_STDERR || h[1] || h[2] || h[3])
        return err_set(err, ERR_INVALID, "the engine's output stream is not multiplexed");
    mux->stream = h[0] == ENGINE_STDERR ? ENGINE_STDERR : ENGINE_STDOUT;
    mux->left = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 | (uint32_t)h[6] << 8 | h[7];
    mux->have = 0;
    if (mux->left > ENGINE_MUX_FRAME_MAX)
        return err_set(err, ERR_INVALID, "a frame of the engine's output stream is too large");
    return 0;
}

int engine_mux_feed(struct engine_mux *mux, const char *p, size_t n, engine_mux_fn fn,
                    void *payload, struct err *err)
{
    while (n) {
        if (!mux->left) {
            size_t want = sizeof mux->header - mux->have;
            size_t take = n < want ? n : want;
            memcpy(mux->header + mux->have, p, take);
            mux->have += take;
            p += take;
            n -= take;
            if (mux->have < sizeof mux->header)
                return 0;
            int rc = take_header(mux, err);
            if (rc < 0)
                return rc;
            continue;
        }
        size_t take = n < mux->left ? n : mux->left;
        int rc = fn(mux->stream, p, take, payload, err);
        if (rc < 0)
            return rc;
        mux->left -= (uint32_t)take;
        p += take;
        n -= take;
    }
    return 0;
}
