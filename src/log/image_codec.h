#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace {

/// The largest image that is packed; a larger one on the disk is damage.
inline constexpr std::size_t kMaxImageBytes = 1ULL << 30U;

/// Bytes of the image that the parts make up.
[[nodiscard]] std::size_t image_bytes(std::span<const std::string_view> parts);

/// Packs the pieces of a batch image for the disk: each by itself with LZ4, or as it is when that gains
/// nothing. Cells are mostly zeros, so an image shrinks to about a third, and with it every copy on its way
/// to the disk. `out` is overwritten; handing in the same string again spares the allocation. The image must
/// not be larger than kMaxImageBytes.
void pack_image(std::span<const std::string_view> parts, std::string& out);

/// The image in one piece. Every size is checked before it is trusted; what the bytes mean is checked by
/// Batch::from_image. A stop error when they are not a packed image.
[[nodiscard]] Result<std::string> unpack_image(std::string_view packed);

}  // namespace millrace
