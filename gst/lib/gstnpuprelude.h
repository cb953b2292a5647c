/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What every header of libgstnpu-1.0 needs: the mark of exported functions.
 */
#ifndef GST_NPU_PRELUDE_H
#define GST_NPU_PRELUDE_H

#include <gst/gst.h>

#ifndef GST_NPU_API
#if defined(_WIN32)
#define GST_NPU_API extern
#else
#define GST_NPU_API __attribute__ ((visibility ("default"))) extern
#endif
#endif

#endif
