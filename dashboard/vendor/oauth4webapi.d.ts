// The types of oauth4webapi.js, from the npm package of the same version. Only the type checker reads this file.
export * from "oauth4webapi";
