import { createTheme } from "@mantine/core";

/**
 * Defaults are kept where they can be: Mantine then needs no style element, which the page's policy
 * forbids. For the same reason no responsive style props and no scroll lock are used.
 */
export const theme = createTheme({
  components: {
    Modal: { defaultProps: { lockScroll: false } },
    Drawer: { defaultProps: { lockScroll: false } },
  },
});
