"""The index of MP4, MOV and M4A files (ISO/IEC 14496-12): what can be done with the file before
all of it is here. Pure functions over bytes; whatever they cannot use is `boxes.IndexUnusable`."""
