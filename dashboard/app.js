// @ts-check
import { loadConfig } from "./config.js";
import { showProblem } from "./connection.js";
import { openLocally } from "./local-page.js";
import { openSite } from "./site-page.js";

try {
  const config = await loadConfig();
  if ("issuer" in config) await openSite(config);
  else openLocally(config);
} catch (error) {
  showProblem(error, () => location.reload());
}
